module minpack_info
   !! Why a fit ended: the INFO values of the MINPACK-1 User Guide (ANL-80-74) and ours beyond 8.
   !! A negative INFO is the user's own: the `iflag` with which a callback asked to stop.
   !! Mirrored in minpack.h, with what was not finite where INFO is 9.
   use, intrinsic :: iso_c_binding, only: c_int
   implicit none (type, external)
   private

   integer(c_int), parameter, public :: info_improper = 0  !! improper input parameters
   integer(c_int), parameter, public :: info_ftol = 1  !! sum of squares converged
   integer(c_int), parameter, public :: info_xtol = 2  !! x converged
   integer(c_int), parameter, public :: info_both = 3  !! 1 and 2
   integer(c_int), parameter, public :: info_gtol = 4  !! residual orthogonal to the Jacobian
   integer(c_int), parameter, public :: info_maxfev = 5  !! limit on function evaluations
   integer(c_int), parameter, public :: info_ftol_small = 6  !! ftol below what is attainable
   integer(c_int), parameter, public :: info_xtol_small = 7  !! xtol likewise
   integer(c_int), parameter, public :: info_gtol_small = 8  !! gtol likewise
   integer(c_int), parameter, public :: info_nonfinite = 9  !! residual or Jacobian not finite
   integer(c_int), parameter, public :: info_stopped = 10  !! by who watches the fit

end module minpack_info
