module minpack_wind_up
   !! The end of a search within bounds is not yet the end of the fit.
   use, intrinsic :: iso_c_binding, only: c_int
   use minpack_bounded, only: landing_point
   use minpack_info, only: info_both, info_ftol, info_ftol_small, info_gtol, info_gtol_small, &
                           info_maxfev, info_nonfinite, info_stopped, info_xtol, info_xtol_small
   use minpack_kinds, only: epsmch, ik, wp
   use minpack_restart, only: columns_lost, model_size, restart_point
   use minpack_state, only: attempt_from_start, in_best, in_norms, in_start, &
                            in_work, inside_size, lm_state, phase_again, phase_land, phase_return, &
                            phase_search, request_jacobian, request_residual, request_stop
   implicit none (type, external)
   private
   public :: arrive, leads_nowhere, out_of_patience, wind_up

   real(wp), parameter :: rounding = 100.0_wp*epsmch
      !! of the size of the model: what a sum of squares of 0 may come out as
   real(wp), parameter :: last_seen = 1.0e-8_wp
      !! And what of it a landing may cost, which is to be no more than xtol leaves open: the
      !! derivatives by differences leave as much.
   integer(c_int), parameter :: most_attempts = 4
   integer(ik), parameter :: patience = 100  !! maxfev of all but the first, in units of n + 1
   real(wp), parameter :: promising = 0.9_wp
      !! of ‖f‖ at the best end so far: what is below needs no patience. From MGH10's first start a
      !! second attempt goes on falling for a thousand calls.

contains

   pure subroutine wind_up(state, n, x, x_trial, r, ldr, ipvt, qtf, acnorm, diag, p, lower, &
                           upper, inside)
      !! A search within bounds has ended: try again, return to the best end, or land.
      type(lm_state), intent(inout) :: state
      integer(ik), intent(in) :: n
      real(wp), intent(inout) :: x(n)
      real(wp), intent(inout) :: x_trial(n)
      integer(ik), intent(in) :: ldr
      real(wp), intent(inout) :: r(ldr, n)
      integer(c_int), intent(in) :: ipvt(n)
      real(wp), intent(in) :: qtf(n)
      real(wp), intent(inout) :: acnorm(n)  !! work
      real(wp), intent(in) :: diag(n)
      real(wp), intent(inout) :: p(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(inout) :: inside(n, inside_size)
      logical :: ended, astray, improved

      if (state%phase == phase_land) return
      ended = converged_or_exhausted(state%info)  ! else there may not even be a Jacobian
      if (ended) then
         state%size = model_size(n, inside(:, in_norms), x, inside(:, in_start), state%fnorm)
      end if
      if (state%phase == phase_search) then
         astray = state%info == info_nonfinite .and. state%attempt < attempt_from_start
         if (ended .and. state%mode /= 2 .and. state%attempt < most_attempts) then
            astray = columns_lost(n, inside(:, in_norms), diag, x, inside(:, in_start), lower, &
                                  upper, state%size) > 0
         end if
         improved = state%attempt == 1 .or. (ended .and. state%fnorm < state%best_fnorm) &
                    .or. (state%info == info_maxfev .and. promises(state))
         if (improved) then
            inside(:, in_best) = x
            state%best_fnorm = state%fnorm
            state%best_info = state%info
         end if
         if (astray .and. state%walls /= 0) then
            state%attempt = state%attempt + 1
            if (.not. ended) state%attempt = attempt_from_start
            state%attempt_maxfev = state%nfev + patience*(n + 1)
            if (state%attempt == attempt_from_start) then
               x_trial = inside(:, in_start)
            else
               call restart_point(n, inside(:, in_norms), diag, x, inside(:, in_start), lower, &
                                  upper, x_trial)
            end if
            state%nonfinite_trial = 0
            state%phase = phase_again
            state%request = request_residual
            return
         else if (.not. improved) then
            x_trial = inside(:, in_best)
            state%info = state%best_info
            state%phase = phase_return
            state%request = request_residual
            return
         end if
      end if
      if (ended) then
         if (state%accepted == 0) p = 0.0_wp
         call landing_point(n, r, ldr, ipvt, qtf, inside(:, in_norms), p, state%fnorm, x, &
                            inside(:, in_start), lower, upper, state%size, state%xtol, &
                            state%walls /= 0, inside(:, in_work), inside(:, in_work + 1), &
                            inside(:, in_work + 2), inside(:, in_work + 3), acnorm, x_trial)
         if (any(abs(x_trial - x) > 0.0_wp)) then
            state%phase = phase_land
            state%request = request_residual
         end if
      end if
   end subroutine wind_up

   pure function leads_nowhere(state, n, diag, x, lower, upper, inside) result(yes)
      !! Whether to wind up before the search has ended: what is lost is not found again where the
      !! model promises no more than ftol, nor anywhere where all is lost.
      type(lm_state), intent(in) :: state
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(in) :: inside(n, inside_size)
      logical :: yes
      real(wp) :: size
      integer(ik) :: lost

      yes = .false.
      if (state%walls == 0 .or. state%mode == 2 .or. state%attempt == most_attempts) return
      size = model_size(n, inside(:, in_norms), x, inside(:, in_start), state%fnorm)
      lost = columns_lost(n, inside(:, in_norms), diag, x, inside(:, in_start), lower, upper, size)
      yes = lost > 0 .and. (state%prered <= state%ftol .or. lost == count(lower < upper, kind=ik))
   end function leads_nowhere

   pure function out_of_patience(state) result(yes)
      type(lm_state), intent(in) :: state
      logical :: yes

      yes = state%attempt > 1 .and. state%nfev >= state%attempt_maxfev .and. .not. promises(state)
   end function out_of_patience

   pure function promises(state) result(yes)
      !! Whether an attempt but the first is well below the best end so far.
      type(lm_state), intent(in) :: state
      logical :: yes

      yes = state%attempt > 1 .and. state%fnorm < promising*state%best_fnorm
   end function promises

   pure subroutine arrive(state, n, x, x_trial)
      !! The residual at the best end of an attempt has come, or that of a landing.
      type(lm_state), intent(inout) :: state
      integer(ik), intent(in) :: n
      real(wp), intent(inout) :: x(n)
      real(wp), intent(in) :: x_trial(n)
      real(wp) :: unseen

      state%request = request_stop
      if (state%phase == phase_return .and. state%info /= info_stopped) then
         state%request = request_jacobian
      end if
      unseen = max(rounding, min(state%xtol, last_seen))*state%size
      if (state%phase == phase_return .or. &
          state%fnorm_trial <= max((1.0_wp + state%ftol)*state%fnorm, unseen)) then
         state%accepted = 1
         state%iteration = state%iteration + 1
         x = x_trial
         state%fnorm = state%fnorm_trial
      end if
   end subroutine arrive

   pure function converged_or_exhausted(info) result(yes)
      integer(c_int), intent(in) :: info
      logical :: yes

      yes = any(info == [info_ftol, info_xtol, info_both, info_gtol, info_ftol_small, &
                         info_xtol_small, info_gtol_small])
   end function converged_or_exhausted

end module minpack_wind_up
