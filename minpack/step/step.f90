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
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_bounded, only: held, inside, propose_bounded
   use minpack_enorm, only: enorm
   use minpack_info, only: info_both, info_ftol, info_ftol_small, info_gtol, info_gtol_small, &
                           info_improper, info_maxfev, info_nonfinite, info_xtol, info_xtol_small
   use minpack_judge, only: judge
   use minpack_kinds, only: epsmch, ik, is_finite, wp
   use minpack_propose, only: propose
   use minpack_scaling, only: first_diag, gradient_cosines, grow_diag
   implicit none (type, external)
   private
   public :: lm_state, lm_step, request_start, request_residual, request_jacobian, request_stop

   integer(c_int), parameter :: request_start = 0
   integer(c_int), parameter :: request_residual = 1
   integer(c_int), parameter :: request_jacobian = 2
   integer(c_int), parameter :: request_stop = 3

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
      integer(c_int) :: blocked = 0
         !! 1 where no step away from x has had a finite residual since one had not
      integer(c_int64_t) :: iteration = 0  !! accepted points so far, the start included
      real(c_double) :: fnorm = 0.0_wp  !! ‖f(x)‖
      real(c_double) :: xnorm = 0.0_wp  !! ‖D x‖
      real(c_double) :: pnorm = 0.0_wp  !! ‖D p‖
      real(c_double) :: gnorm = 0.0_wp
      real(c_double) :: delta = 0.0_wp
      real(c_double) :: par = 0.0_wp
      real(c_double) :: prered = 0.0_wp
      real(c_double) :: dirder = 0.0_wp
   end type lm_state

   real(wp), parameter :: bounded_factor = 0.3_wp
      !! Bound on a step that would leave the box, in units of ‖D x‖: far from x the model is worth
      !! little, and walls hold what it throws at them. Of 240 fits of NIST's problems with one
      !! active bound 4 end higher than trf's and 12 lower; with 1.0 it is 12 and 12, with 0.1 7
      !! and 12.

contains

   pure subroutine lm_step(state, n, x, x_trial, r, ldr, ipvt, qtf, acnorm, diag, p, work, &
                           ndense, dense, lower, upper, box, pivots) &
      bind(c, name="pyminpack_lm_step")
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
      integer(c_int64_t), intent(in), value :: ndense
      real(c_double), intent(inout) :: dense(ndense)
         !! work: with `dense_size(n)` numbers a large n is solved by blocks
      real(c_double), intent(in), optional :: lower(n)  !! bounds on x; all four or none
      real(c_double), intent(in), optional :: upper(n)
      real(c_double), intent(inout), optional :: box(n, n + 8)  !! work
      integer(c_int), intent(inout), optional :: pivots(n, 2)  !! work
      real(wp) :: par

      state%accepted = 0
      select case (state%request)
      case (request_start)
         if (.not. proper(state, n, diag)) then
            call stop_with(state, info_improper)
            return
         end if
         state%iteration = 0
         state%fnorm = 0.0_wp
         state%blocked = 0
         x_trial = x
         state%request = request_residual
      case (request_residual)
         if (state%iteration == 0) then
            call begin(state)
         else
            call trial(state, n, x, x_trial, diag)
         end if
      case (request_jacobian)
         call linearised(state, n, x, acnorm, diag, x_trial)
         if (state%request /= request_stop) then
            call gradient_cosines(n, r, ldr, ipvt, qtf, acnorm, state%fnorm, x_trial)
            if (present(lower)) where (held(x, lower, upper, x_trial)) x_trial = 0.0_wp
            call gradient_test(state, n, acnorm, x_trial, diag)
         end if
      case default
         state%request = request_stop
      end select

      if (state%request == request_residual .and. state%iteration > 0) then
         par = state%par
         call propose(n, r, ldr, ipvt, diag, qtf, state%fnorm, state%delta, par, p, &
                      state%pnorm, state%prered, state%dirder, x_trial, acnorm, work, ndense, dense)
         x_trial = x + p
         if (present(lower)) then
            if (.not. inside(n, x_trial, lower, upper)) then
               par = state%par
               if (state%xnorm > 0.0_wp) then
                  state%delta = min(state%delta, bounded_factor*state%xnorm)
               end if
               call propose_bounded(n, r, ldr, ipvt, diag, qtf, state%fnorm, x, lower, upper, &
                                    state%delta, par, p, state%pnorm, state%prered, state%dirder, &
                                    x_trial, box(:, 1:n), box(:, n + 1:), pivots, 0_ik, dense)
            end if
         end if
         state%par = par
         ! The first bound is a guess; a full step inside it says that it was too generous.
         if (state%iteration == 1) state%delta = min(state%delta, state%pnorm)
      end if
   end subroutine lm_step

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
      state%iteration = 1
      state%request = request_jacobian
      if (.not. is_finite(state%fnorm)) call stop_with(state, info_nonfinite)
   end subroutine begin

   pure subroutine linearised(state, n, x, acnorm, diag, work)
      !! The factors of the Jacobian at x have come.
      type(lm_state), intent(inout) :: state
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: acnorm(n)
      real(wp), intent(inout) :: diag(n)
      real(wp), intent(out) :: work(n)

      if (.not. all(is_finite(acnorm))) then
         call stop_with(state, info_nonfinite)
      else if (state%iteration == 1) then
         if (state%mode /= 2) call first_diag(n, acnorm, diag)
         work = diag*x
         state%xnorm = enorm(n, work)
         state%delta = state%factor*state%xnorm
         if (.not. state%delta > 0.0_wp) state%delta = state%factor
      end if
   end subroutine linearised

   pure subroutine gradient_test(state, n, acnorm, cosines, diag)
      !! Stop where the residual is orthogonal to every column that is free to change it.
      type(lm_state), intent(inout) :: state
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: acnorm(n)
      real(wp), intent(in) :: cosines(n)
      real(wp), intent(inout) :: diag(n)

      state%gnorm = maxval(abs(cosines))
      if (state%gnorm <= state%gtol) then
         call stop_with(state, info_gtol)
         return
      end if
      if (state%mode /= 2) call grow_diag(n, acnorm, diag)
      state%request = request_residual
   end subroutine gradient_test

   pure subroutine trial(state, n, x, x_trial, diag)
      !! The residual at x_trial has come: judge the step, move, and test for the end.
      type(lm_state), intent(inout) :: state
      integer(ik), intent(in) :: n
      real(wp), intent(inout) :: x(n)
      real(wp), intent(inout) :: x_trial(n)  !! work once it is x
      real(wp), intent(in) :: diag(n)
      real(wp) :: actred, ratio
      integer(c_int) :: info, accepted

      if (.not. is_finite(state%fnorm_trial)) then
         state%blocked = 1
      else if (state%blocked /= 0) then
         if (any(abs(x_trial - x) > 0.0_wp)) state%blocked = 0
      end if
      call judge(state%fnorm, state%fnorm_trial, state%pnorm, state%prered, state%dirder, &
                 state%delta, state%par, actred, ratio, accepted)
      if (accepted /= 0) then
         state%accepted = 1
         x = x_trial
         state%fnorm = state%fnorm_trial
         state%iteration = state%iteration + 1
         x_trial = diag*x
         state%xnorm = enorm(n, x_trial)
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
         exhausted = converged(state, actred, ratio, epsmch, epsmch)
         if (exhausted == info_ftol) info = info_ftol_small
         if (exhausted == info_xtol .or. exhausted == info_both) info = info_xtol_small
         if (state%gnorm <= epsmch) info = info_gtol_small
      end if

      ! The region has shrunk to nothing around a point next to which f has no value: no success.
      if (state%blocked /= 0) then
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

   pure subroutine stop_with(state, info)
      type(lm_state), intent(inout) :: state
      integer(c_int), intent(in) :: info

      state%info = info
      state%request = request_stop
   end subroutine stop_with

end module minpack_step
