module minpack_kinds
   !! The one real kind, the index kind, and the machine constants of the algorithm.
   use, intrinsic :: iso_c_binding, only: c_double, c_int64_t
   implicit none (type, external)
   private
   public :: wp, ik, epsmch, dwarf, is_finite

   integer, parameter :: wp = c_double
   integer, parameter :: ik = c_int64_t
      !! Sizes and indices: a Jacobian may have more than 2**31 rows.
   real(wp), parameter :: epsmch = epsilon(1.0_wp)
      !! 2**-52 exactly; MINPACK's published `dpmpar(1)` is this rounded to twelve digits.
   real(wp), parameter :: dwarf = tiny(1.0_wp)

contains

   elemental function is_finite(x) result(finite)
      !! False for NaN and both infinities. `ieee_is_finite` would need the Fortran runtime.
      real(wp), intent(in) :: x
      logical :: finite

      finite = abs(x) <= huge(x)
   end function is_finite

end module minpack_kinds
