module minpack_step
   !! The trust-region iteration of MINPACK's lmdif and lmder, by reverse communication.
   !!
   !! `lm_step` never sees the residuals, only their norm, and of the Jacobian only its R. Who
   !! calls it, a loop in Fortran, C or Python, or a scheduler of fits, does what `request` asks:
   !!
   !!     state%request = request_start
   !!     do
   !!        call lm_step(state, …)
   !!        if (state%accepted /= 0)  f := f_trial
   !!        request_residual:  f_trial := F(x_trial); fnorm_trial := ‖f_trial‖; count it in nfev
   !!        request_jacobian:  r, ipvt, acnorm, qtf := factors of J(x) and f; count it
   !!        request_stop:      info says why
   !!     end do
   !!
   !! Within bounds the end of the search is not yet the end: `wind_up` may ask for a residual on
   !! the walls, or somewhere else.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_bounded, only: first_point, held
   use minpack_enorm, only: enorm
   use minpack_info, only: info_both, info_ftol, info_ftol_small, info_gtol, info_gtol_small, &
                           info_improper, info_maxfev, info_nonfinite, info_stopped, info_xtol, &
                           info_xtol_small
   use minpack_inside, only: propose_inside
   use minpack_judge, only: judge, ratio_shrink
   use minpack_kinds, only: dwarf, epsmch, ik, is_finite, wp
   use minpack_propose, only: propose
   use minpack_scaling, only: first_diag, gradient_cosines, grow_diag
   use minpack_state, only: attempt_from_start, in_best, in_cosines, in_norms, in_start, &
                            in_walls, in_work, inside_size, lm_state, phase_again, phase_return, &
                            phase_search, request_jacobian, request_residual, request_start, &
                            request_stop, stop_with
   use minpack_walls, only: leaves
   use minpack_wind_up, only: arrive, leads_nowhere, out_of_patience, wind_up
   implicit none (type, external)
   private
   public :: lm_step, lm_stop

   real(wp), parameter :: fading = 0.7_wp
      !! Of D from step to step once walls have been met: columns are large next to some, where 1/x
      !! or log x is, and D, which never shrinks, would make the rest of the fit crawl.
   real(wp), parameter :: as_predicted = 0.25_wp  !! how far from 1 `ratio` may be for that
   real(wp), parameter :: kept = 0.5_wp  !! of delta, at least, where walls keep a good step short
   real(wp), parameter :: small_factor = 0.03_wp
      !! First step bound: small steps stay in the valley that they start in.

contains

   pure subroutine lm_step(state, n, x, x_trial, r, ldr, ipvt, qtf, acnorm, diag, p, work, &
                           scratch_size, scratch, lower, upper, inside) &
      bind(c, name="lm_step")
      type(lm_state), intent(inout) :: state
      integer(c_int64_t), intent(in), value :: n
      real(c_double), intent(inout) :: x(n)  !! in: the start; the best point so far
      real(c_double), intent(inout) :: x_trial(n)
         !! where a residual is wanted; work while a step is being found
      integer(c_int64_t), intent(in), value :: ldr
      real(c_double), intent(inout) :: r(ldr, n)
         !! upper triangle: R of J P = Q R; the strict lower triangle is overwritten
      integer(c_int), intent(in) :: ipvt(n)
      real(c_double), intent(in) :: qtf(n)  !! first n of Qᵀ f
      real(c_double), intent(inout) :: acnorm(n)
         !! in, after `request_jacobian`: the norms of J's columns; out: work
      real(c_double), intent(inout) :: diag(n)  !! D
      real(c_double), intent(inout) :: p(n)  !! the step: x_trial = x + p
      real(c_double), intent(inout) :: work(n)
         !! may overlay f_trial: it is used only where f_trial has been refused
      integer(c_int64_t), intent(in), value :: scratch_size
      real(c_double), intent(inout) :: scratch(scratch_size)
         !! work: with `lmpar_size(n)` numbers a large n is solved by blocks
      real(c_double), intent(in), optional :: lower(n)  !! bounds on x; all three or none
      real(c_double), intent(in), optional :: upper(n)
      real(c_double), intent(inout), optional :: inside(n, inside_size)
      integer(c_int) :: answered
      logical :: known, squeezed

      answered = state%request
      state%accepted = 0
      select case (state%request)
      case (request_start)
         if (.not. proper(state, n, diag)) then
            call stop_with(state, info_improper)
            return
         end if
         state%iteration = 0
         state%fnorm = 0.0_wp
         state%nonfinite_trial = 0
         state%squeezed = 0
         state%walls = 0
         state%attempt = 1
         if (present(lower)) then
            call first_point(n, x, lower, upper)
            inside(:, in_start) = x
         end if
         x_trial = x
         state%request = request_residual
      case (request_residual)
         if (state%iteration == 0 .or. state%phase == phase_again) then
            x = x_trial
            if (present(lower)) inside(:, in_walls) = 0.0_wp
            call begin(state)
         else if (state%phase /= phase_search) then
            call arrive(state, n, x, x_trial)
         else
            if (present(lower)) p = x_trial - x  ! fits in lock-step have one p between them
            call trial(state, n, x, x_trial, diag)
         end if
      case (request_jacobian)
         if (present(lower)) inside(:, in_norms) = acnorm
         call linearised(state, n, x, acnorm, diag, x_trial, lower, upper)
         if (state%request /= request_stop) then
            call gradient_cosines(n, r, ldr, ipvt, qtf, acnorm, state%fnorm, x_trial, p)
            if (present(lower)) then
               inside(:, in_cosines) = x_trial
               where (held(x, lower, upper, x_trial)) x_trial = 0.0_wp
            end if
            call gradient_test(state, n, acnorm, x_trial, diag)
         end if
      case default
         state%request = request_stop
      end select

      if (present(lower) .and. state%request == request_stop .and. answered /= request_stop) then
         call wind_up(state, n, x, x_trial, r, ldr, ipvt, qtf, acnorm, diag, p, lower, upper, &
                      inside)
      end if
      if (state%request == request_residual .and. answered /= request_start &
          .and. state%phase == phase_search) then
         known = .false.
         if (present(lower) .and. state%squeezed /= 0) then
            known = any(abs(inside(:, in_walls)) > 0.0_wp)
         end if
         squeezed = known
         if (.not. known) then
            call propose(n, r, ldr, ipvt, diag, qtf, state%fnorm, state%delta, state%par, p, &
                         state%pnorm, state%prered, state%dirder, x_trial, acnorm, work, &
                         scratch_size, scratch)
            x_trial = x + p
            if (present(lower)) squeezed = leaves(n, x_trial, p, lower, upper)
         end if
         if (squeezed) then
            call propose_inside(n, r, ldr, ipvt, diag, qtf, inside(:, in_norms), &
                                inside(:, in_cosines), state%fnorm, x, inside(:, in_start), lower, &
                                upper, state%longest, known, state%predicted /= 0, &
                                merge(state%ftol, 0.0_wp, state%nonfinite_trial == 0), &
                                state%delta, state%par, p, state%pnorm, state%prered, &
                                state%dirder, x_trial, acnorm, work, inside(:, in_walls), &
                                inside(:, in_work:), scratch_size, scratch)
         end if
         state%squeezed = merge(1, 0, squeezed)
         state%walls = max(state%walls, state%squeezed)
         ! The first bound is a guess; a full step inside it says that it was too generous.
         if (state%at_start /= 0 .and. .not. squeezed) then
            state%delta = min(state%delta, state%pnorm)
         end if
         if (present(lower) .and. answered == request_jacobian) then
            if (leads_nowhere(state, n, diag, x, lower, upper, inside)) then
               call stop_with(state, info_ftol)
               call wind_up(state, n, x, x_trial, r, ldr, ipvt, qtf, acnorm, diag, p, lower, &
                            upper, inside)
            end if
         end if
      end if
   end subroutine lm_step

   pure subroutine lm_stop(state, n, x_trial, inside) bind(c, name="lm_stop")
      !! Who watches has seen enough, after x has moved: end, at the best point of all attempts.
      type(lm_state), intent(inout) :: state
      integer(c_int64_t), intent(in), value :: n
      real(c_double), intent(inout) :: x_trial(n)
      real(c_double), intent(in), optional :: inside(n, inside_size)

      call stop_with(state, info_stopped)
      if (.not. present(inside)) return
      if (state%attempt > 1 .and. state%best_fnorm < state%fnorm) then
         x_trial = inside(:, in_best)
         state%phase = phase_return
         state%request = request_residual
      end if
   end subroutine lm_stop

   pure function proper(state, n, diag) result(yes)
      !! Written so that NaN is improper.
      type(lm_state), intent(in) :: state
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: diag(n)
      logical :: yes

      yes = n > 0 .and. state%ftol >= 0.0_wp .and. state%xtol >= 0.0_wp &
               .and. state%gtol >= 0.0_wp .and. state%factor > 0.0_wp .and. state%maxfev > 0
      if (yes .and. state%mode == 2) yes = all(diag > 0.0_wp)
   end function proper

   pure subroutine begin(state)
      !! The residual at the start has come.
      type(lm_state), intent(inout) :: state

      state%accepted = 1
      state%fnorm = state%fnorm_trial
      state%par = 0.0_wp
      state%gnorm = 0.0_wp
      state%iteration = state%iteration + 1
      state%at_start = 1
      state%predicted = 0
      state%phase = phase_search
      state%request = request_jacobian
      if (.not. is_finite(state%fnorm)) call stop_with(state, info_nonfinite)
   end subroutine begin

   pure subroutine linearised(state, n, x, acnorm, diag, work, lower, upper)
      !! The factors of the Jacobian at x have come.
      type(lm_state), intent(inout) :: state
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: acnorm(n)
      real(wp), intent(inout) :: diag(n)
      real(wp), intent(out) :: work(n)
      real(wp), intent(in), optional :: lower(n)
      real(wp), intent(in), optional :: upper(n)
      real(wp) :: factor

      if (.not. all(is_finite(acnorm))) then
         call stop_with(state, info_nonfinite)
      else if (state%phase == phase_return) then
         state%request = request_stop
      else if (state%at_start /= 0) then
         if (state%mode /= 2) then
            call first_diag(n, acnorm, diag)
            ! A variable that is fixed is no part of ‖D x‖, whatever its size.
            if (present(lower)) diag = merge(diag, dwarf, lower < upper)
         end if
         work = diag*x
         state%xnorm = enorm(n, work)
         state%longest = state%xnorm
         factor = state%factor
         if (state%attempt >= attempt_from_start) factor = min(factor, small_factor)
         state%delta = factor*state%xnorm
         if (.not. state%delta > 0.0_wp) state%delta = factor
      end if
   end subroutine linearised

   pure subroutine gradient_test(state, n, acnorm, cosines, diag)
      !! Stop where the residual is orthogonal to every column that is free to change it.
      type(lm_state), intent(inout) :: state
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: acnorm(n)
      real(wp), intent(in) :: cosines(n)
      real(wp), intent(inout) :: diag(n)
      integer(ik) :: j

      state%gnorm = 0.0_wp
      do j = 1, n
         state%gnorm = max(state%gnorm, abs(cosines(j)))
      end do
      if (state%gnorm <= state%gtol) then
         call stop_with(state, info_gtol)
         return
      end if
      if (state%mode /= 2) then
         if (state%walls /= 0) diag = max(fading*diag, dwarf)
         call grow_diag(n, acnorm, diag)
      end if
      state%request = request_residual
   end subroutine gradient_test

   pure subroutine trial(state, n, x, x_trial, diag)
      !! The residual at x_trial has come: judge the step, move, and test for the end.
      type(lm_state), intent(inout) :: state
      integer(ik), intent(in) :: n
      real(wp), intent(inout) :: x(n)
      real(wp), intent(inout) :: x_trial(n)  !! work once it is x
      real(wp), intent(in) :: diag(n)
      real(wp) :: actred, ratio, delta
      integer(c_int) :: info, accepted

      if (.not. is_finite(state%fnorm_trial)) then
         state%nonfinite_trial = 1
      else if (state%nonfinite_trial /= 0) then
         if (any(abs(x_trial - x) > 0.0_wp)) state%nonfinite_trial = 0
      end if
      delta = state%delta
      call judge(state%fnorm, state%fnorm_trial, state%pnorm, state%prered, state%dirder, &
                 state%delta, state%par, actred, ratio, accepted)
      state%predicted = merge(1, 0, abs(ratio - 1.0_wp) <= as_predicted)
      ! It was the walls that kept the step short, not the model.
      if (state%squeezed /= 0 .and. ratio > ratio_shrink) then
         state%delta = max(state%delta, kept*delta)
      end if
      if (accepted /= 0) then
         state%accepted = 1
         x = x_trial
         state%fnorm = state%fnorm_trial
         state%iteration = state%iteration + 1
         state%at_start = 0
         x_trial = diag*x
         state%xnorm = enorm(n, x_trial)
         state%longest = max(state%longest, state%xnorm)
      end if

      info = verdict(state, actred, ratio)
      if (info /= info_improper) then
         call stop_with(state, info)
      else if (accepted /= 0) then
         state%request = request_jacobian
      end if
   end subroutine trial

   pure function verdict(state, actred, ratio) result(info)
      !! `info_improper` (0) where the fit goes on.
      type(lm_state), intent(in) :: state
      real(wp), intent(in) :: actred
      real(wp), intent(in) :: ratio
      integer(c_int) :: info
      integer(c_int) :: exhausted

      info = converged(state, actred, ratio, state%ftol, state%xtol)
      if (info == info_improper) then
         if (state%nfev >= state%maxfev) info = info_maxfev
         if (out_of_patience(state)) info = info_maxfev
         exhausted = converged(state, actred, ratio, epsmch, epsmch)
         if (exhausted == info_ftol) info = info_ftol_small
         if (exhausted == info_xtol .or. exhausted == info_both) info = info_xtol_small
         if (state%gnorm <= epsmch) info = info_gtol_small
      end if

      ! The region has shrunk to nothing around a point next to which f has no value: no success.
      if (state%nonfinite_trial /= 0) then
         if (any(info == [info_ftol, info_xtol, info_both, info_xtol_small])) info = info_nonfinite
      end if
   end function verdict

   pure function converged(state, actred, ratio, ftol, xtol) result(info)
      type(lm_state), intent(in) :: state
      real(wp), intent(in) :: actred
      real(wp), intent(in) :: ratio
      real(wp), intent(in) :: ftol
      real(wp), intent(in) :: xtol
      integer(c_int) :: info

      info = info_improper
      if (abs(actred) <= ftol .and. state%prered <= ftol .and. 0.5_wp*ratio <= 1.0_wp) then
         info = info_ftol
      end if
      if (state%delta <= xtol*state%xnorm) info = info + info_xtol
   end function converged

end module minpack_step
