module minpack_doubt
   !! Is there a reason to doubt the standard errors that come of a Jacobian by differences?
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_enorm, only: enorm
   use minpack_kinds, only: epsmch, ik, wp
   implicit none (type, external)
   private
   public :: doubt, doubt_none, doubt_noise, doubt_truncation, doubt_unfinished

   integer(c_int), parameter :: doubt_none = 0
   integer(c_int), parameter :: doubt_noise = 1
   integer(c_int), parameter :: doubt_truncation = 2
   integer(c_int), parameter :: doubt_unfinished = 3

   real(wp), parameter :: tolerable = 0.02_wp
      !! error of a column, in units of the part of it that the other columns do not have: the
      !! relative error of the standard error, then
   real(wp), parameter :: long_step = 0.1_wp
      !! of ‖J e_j‖ h_j, in units of the residuals' standard deviation. A shorter step stays within
      !! what the data can tell, where the model is as good as linear
   real(wp), parameter :: far = 1.0e-3_wp
      !! part of the residuals that the linear model promises to take away at the end. Its square is
      !! of the order of ftol, unless xtol has ended the fit early, or a noisy Jacobian has made it
      !! promise what no step could keep
   real(wp), parameter :: moves = 1.0e-3_wp
      !! part of itself that a variable may still move by. Of one that is smaller than its standard
      !! error, `far` lets pass steps that change its column, and so the standard error, by as much
      !! as there is of it: where a curve is all but saturated, say
   real(wp), parameter :: settled = 1.0e-7_wp
      !! part of the residuals below which no such move is promised: a variable may well be 0
   real(wp), parameter :: exact_data = 1.0e-5_wp
      !! least standard deviation of the residuals, in units of the data
   real(wp), parameter :: nothing = 1.0e3_wp*epsmch
      !! the same where exact derivatives can lead as far as rounding errors let a fit go
   real(wp), parameter :: beyond = 1.0e150_wp
      !! norm of a column from which on a variance of 0 may be one below all numbers, and need not
      !! be that of a variable that is held
   real(wp), parameter :: exact_error = 8.0_wp*epsmch
      !! relative error of a derivative that is not made of differences

contains

   pure function doubt(m, n, r, ldr, ipvt, x, qtf, covariance, fnorm, data_norm, step, error) &
      result(reason) bind(c, name="lm_doubt")
      !! 1 where the rounding errors of a column may show in the standard errors, 2 where a step may
      !! have led over the feature that its variable describes, 3 where x is not at the minimum of
      !! the linear model, or R may not be that of x, else 0. A variable that is held has no such
      !! errors.
      integer(c_int64_t), intent(in), value :: m
      integer(c_int64_t), intent(in), value :: n
      integer(c_int64_t), intent(in), value :: ldr
      real(c_double), intent(in) :: r(ldr, n)  !! upper triangle: R of J P = Q R
      integer(c_int), intent(in) :: ipvt(n)
      real(c_double), intent(in) :: x(n)
      real(c_double), intent(in) :: qtf(n)
      real(c_double), intent(in) :: covariance(n, n)
         !! inverse of JᵀJ; NaN or 0 on the diagonal for a variable that is held
      real(c_double), intent(in), value :: fnorm
      real(c_double), intent(in), value :: data_norm
         !! norm of the numbers that the residuals are differences of
      real(c_double), intent(in), value :: step
         !! of the differences, relative to x; 0: there were none
      real(c_double), intent(in), value :: error  !! relative, of the function
      integer(c_int) :: reason
      real(wp) :: norm, sigma, size, column_error, way, least, promise
      integer(ik) :: k, j
      logical :: all_free

      size = data_norm
      do k = 1, n
         size = max(size, abs(x(ipvt(k)))*enorm(k, r(:, k)))
      end do
      sigma = max(fnorm/sqrt(real(max(m - n, 1_ik), wp)), exact_data*data_norm)

      reason = doubt_none
      all_free = .true.
      do k = 1, n
         j = int(ipvt(k), ik)
         norm = enorm(k, r(:, k))
         if (.not. (covariance(j, j) > 0.0_wp .or. norm > beyond)) then
            all_free = .false.
         else if (.not. covariance(j, j) > 0.0_wp) then
            reason = doubt_noise
            return
         else
            way = step*merge(abs(x(j)), 1.0_wp, abs(x(j)) > 0.0_wp)
            column_error = exact_error*norm
            if (way > 0.0_wp) column_error = error*size/way
            if (column_error*sqrt(covariance(j, j)) > tolerable) then
               reason = doubt_noise
               return
            end if
            if (way*norm > long_step*sigma) reason = doubt_truncation
         end if
      end do
      if (reason == doubt_none .and. all_free) then
         least = merge(far*exact_data, nothing, step > 0.0_wp)
         promise = enorm(n, qtf)
         if (promise > max(far*fnorm, least*data_norm)) reason = doubt_unfinished
         ! |e_jᵀ R⁻¹ qtf| ≤ ‖R⁻ᵀ e_j‖ ‖qtf‖
         if (fnorm > exact_data*data_norm .and. promise > settled*fnorm) then
            do j = 1, n
               if (sqrt(covariance(j, j))*promise > moves*abs(x(j))) reason = doubt_unfinished
            end do
         end if
      end if
   end function doubt

end module minpack_doubt
