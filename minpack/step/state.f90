module minpack_state
   !! What a fit remembers from step to step, what it asks for and why.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_kinds, only: wp
   implicit none (type, external)
   private
   public :: lm_state, stop_with
   public :: request_start, request_residual, request_jacobian, request_stop
   public :: phase_search, phase_return, phase_land, phase_again
   public :: attempt_from_start
   public :: in_start, in_best, in_walls, in_norms, in_cosines, in_work, inside_size

   integer(c_int), parameter :: request_start = 0
   integer(c_int), parameter :: request_residual = 1
   integer(c_int), parameter :: request_jacobian = 2
   integer(c_int), parameter :: request_stop = 3

   ! What is being done: within bounds a fit may end more than once, and lands on walls.
   integer(c_int), parameter :: phase_search = 0
   integer(c_int), parameter :: phase_return = 1
   integer(c_int), parameter :: phase_land = 2
   integer(c_int), parameter :: phase_again = 3

   ! The second and fourth attempt start with what is lost somewhere else, the third where the first
   ! has; it and the fourth more cautiously.
   integer(c_int), parameter :: attempt_from_start = 3

   ! The vectors that a fit within bounds has to itself, columns of `inside`. Kept between two
   ! calls: the start; the best end of an attempt so far; the walls that interfere; the norms of J's
   ! columns, and the cosines of their angles with f.
   integer, parameter :: in_start = 1
   integer, parameter :: in_best = 2
   integer, parameter :: in_walls = 3
   integer, parameter :: in_norms = 4
   integer, parameter :: in_cosines = 5
   integer, parameter :: in_work = 6  !! from here on
   integer, parameter :: inside_size = 9

   type, bind(c) :: lm_state
      !! All that a fit remembers between two calls, but for the vectors.
      !! Mirrored in minpack.h.
      ! The driver sets these before the first call,
      real(c_double) :: ftol = 0.0_wp
      real(c_double) :: xtol = 0.0_wp
      real(c_double) :: gtol = 0.0_wp
      real(c_double) :: factor = 0.0_wp  !! first step bound, in units of ‖D x‖
      integer(c_int64_t) :: maxfev = 0
      integer(c_int) :: mode = 0  !! 2: `diag` is the driver's; else from the Jacobian
      integer(c_int) :: request = request_start
      ! these as it answers,
      real(c_double) :: fnorm_trial = 0.0_wp  !! NaN or +Inf where the residual is not finite
      integer(c_int64_t) :: nfev = 0
      integer(c_int64_t) :: njev = 0
      ! and only reads these.
      integer(c_int) :: info = 0
      integer(c_int) :: accepted = 0  !! 1 where the last `x_trial` has just become `x`
      integer(c_int) :: nonfinite_trial = 0
         !! 1 after a trial without a finite residual, until one away from x has had one
      integer(c_int) :: at_start = 0  !! 1 until the first step of an attempt is taken
      integer(c_int) :: squeezed = 0  !! 1 where bounds have changed the last step
      integer(c_int) :: walls = 0  !! 1 where they have changed any
      integer(c_int) :: phase = phase_search  !! what the residual is for that is asked for
      integer(c_int) :: attempt = 1
      integer(c_int64_t) :: iteration = 0  !! accepted points so far, the start included
      real(c_double) :: fnorm = 0.0_wp  !! ‖f(x)‖
      real(c_double) :: xnorm = 0.0_wp  !! ‖D x‖
      real(c_double) :: pnorm = 0.0_wp  !! ‖D p‖
      real(c_double) :: gnorm = 0.0_wp
      real(c_double) :: delta = 0.0_wp
      real(c_double) :: par = 0.0_wp
      real(c_double) :: prered = 0.0_wp
      real(c_double) :: dirder = 0.0_wp
      real(c_double) :: longest = 0.0_wp  !! the largest ‖D x‖ of this attempt
      real(c_double) :: size = 0.0_wp  !! about the norm of the model at the end of an attempt
      real(c_double) :: best_fnorm = 0.0_wp  !! ‖f‖ and info at the best end of an attempt so far
      integer(c_int64_t) :: attempt_maxfev = 0
      integer(c_int) :: best_info = 0
      integer(c_int) :: predicted = 0  !! 1 where the last trial has come out about as it was to
   end type lm_state

contains

   pure subroutine stop_with(state, info)
      type(lm_state), intent(inout) :: state
      integer(c_int), intent(in) :: info

      state%info = info
      state%request = request_stop
   end subroutine stop_with

end module minpack_state
