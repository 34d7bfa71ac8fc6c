module minpack_judge
   !! Judge a trial step from the norm of its residuals: all that the step core learns of f(x + p).
   use, intrinsic :: iso_c_binding, only: c_double, c_int
   use minpack_kinds, only: is_finite, wp
   implicit none (type, external)
   private
   public :: judge, ratio_shrink

   ! Thresholds on ratio = actual/predicted reduction (Moré 1978, algorithm 7.1).
   real(wp), parameter :: ratio_accept = 1.0e-4_wp
   real(wp), parameter :: ratio_shrink = 0.25_wp
   real(wp), parameter :: ratio_grow = 0.75_wp
   real(wp), parameter :: shrink_least = 0.1_wp
   real(wp), parameter :: shrink_most = 0.5_wp
   real(wp), parameter :: shrink_blind = 0.25_wp
      !! Where f₊ has no value there is no parabola, and no sign that x + p is far off either. The
      !! original takes 0.1 or the parabola's factor, by how many residuals are infinite; with 0.1
      !! NIST's MGH17 does not leave its start.
   real(wp), parameter :: much_worse = 0.1_wp
      !! ‖f₊‖ ≥ 10 ‖f‖: the model is worthless there, its parabola too.

contains

   pure subroutine judge(fnorm, fnorm_trial, pnorm, prered, dirder, delta, par, actred, ratio, &
                         accepted) bind(c, name="lm_judge")
      !! On return `delta` and `par` are those of the next trial, accepted or not.
      real(c_double), intent(in) :: fnorm  !! ‖f(x)‖ > 0
      real(c_double), intent(in) :: fnorm_trial  !! ‖f(x + p)‖; NaN or +Inf where f has no value
      real(c_double), intent(in) :: pnorm  !! ‖D p‖
      real(c_double), intent(in) :: prered
      real(c_double), intent(in) :: dirder
      real(c_double), intent(inout) :: delta
      real(c_double), intent(inout) :: par
      real(c_double), intent(out) :: actred  !! 1 - (‖f₊‖/‖f‖)², or -1
      real(c_double), intent(out) :: ratio
      integer(c_int), intent(out) :: accepted  !! 1 or 0
      real(wp) :: shrink
      logical :: comparable

      ! False for NaN too: a trial without a value is the worst possible one.
      comparable = much_worse*fnorm_trial < fnorm
      actred = -1.0_wp
      if (comparable) actred = 1.0_wp - (fnorm_trial/fnorm)**2
      ratio = 0.0_wp
      if (prered > 0.0_wp) ratio = actred/prered

      if (ratio <= ratio_shrink) then
         ! The minimum of the parabola through both sums of squares and the slope at x.
         shrink = shrink_most
         if (actred < 0.0_wp) shrink = 0.5_wp*dirder/(dirder + 0.5_wp*actred)
         if (.not. comparable .or. .not. shrink >= shrink_least) shrink = shrink_least
         if (.not. is_finite(fnorm_trial)) shrink = shrink_blind
         delta = shrink*min(delta, pnorm/shrink_least)
         par = par/shrink
      else if (.not. par > 0.0_wp .or. ratio >= ratio_grow) then
         delta = pnorm/shrink_most
         par = shrink_most*par
      end if
      accepted = merge(1_c_int, 0_c_int, ratio >= ratio_accept)
   end subroutine judge

end module minpack_judge
