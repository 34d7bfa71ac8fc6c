module decays
   !! Many decays a·exp(-b t), each to data of its own, by an evaluator in Fortran.
   use, intrinsic :: iso_c_binding, only: c_double, c_f_pointer, c_funloc, c_int, c_int64_t, &
                                          c_loc, c_ptr
   use minpack_enorm, only: enorm
   use minpack_loop, only: lm_differences, lm_evaluator, lm_factor_in_place, lm_fit
   use minpack_state, only: request_stop
   implicit none (type, external)
   private
   public :: asked, decay, of_decays, points, variables

   integer(c_int64_t), parameter :: points = 12, variables = 2

   type, bind(c) :: asked
      !! How often the loop has asked: once for all fits.
      integer(c_int64_t) :: residuals = 0
      integer(c_int64_t) :: jacobians = 0
      integer(c_int64_t) :: moves = 0
   end type asked

   type, bind(c) :: decay
      type(lm_fit) :: fit  !! first: the loop's pointer is ours
      real(c_double) :: y(points)
      real(c_double) :: f(points)
      real(c_double) :: f_trial(points)
      integer(c_int) :: by_differences = 0
      integer(c_int64_t) :: given_up_after = 0  !! calls; 0: never
   end type decay

contains

   function of_decays(times) result(evaluator)
      type(asked), target, intent(in) :: times
      type(lm_evaluator) :: evaluator

      evaluator = lm_evaluator(c_loc(times), c_funloc(residual), c_funloc(jacobian), &
                               c_funloc(moved))
   end function of_decays

   pure function time() result(t)
      real(c_double) :: t(points)
      integer :: i

      t = [(0.25_c_double*real(i, c_double), i=1, int(points))]
   end function time

   function model(self, x, fvec) result(status) bind(c)
      !! An `lm_function`.
      type(c_ptr), value :: self, x, fvec
      integer(c_int) :: status
      type(decay), pointer :: d
      real(c_double), pointer :: at(:), f(:)

      call c_f_pointer(self, d)
      call c_f_pointer(x, at, [variables])
      call c_f_pointer(fvec, f, [points])
      f = at(1)*exp(-at(2)*time()) - d%y
      status = 0
   end function model

   function residual(self, fits, count) result(status) bind(c)
      type(c_ptr), value :: self
      integer(c_int64_t), value :: count
      type(c_ptr), intent(in) :: fits(count)
      integer(c_int) :: status
      type(asked), pointer :: times
      type(decay), pointer :: d
      integer(c_int64_t) :: i

      status = 0
      call c_f_pointer(self, times)
      times%residuals = times%residuals + 1_c_int64_t
      do i = 1, count
         call c_f_pointer(fits(i), d)
         status = model(fits(i), d%fit%x_trial, c_loc(d%f_trial))
         d%fit%state%fnorm_trial = enorm(points, d%f_trial)
         d%fit%state%nfev = d%fit%state%nfev + 1_c_int64_t
         if (d%fit%state%nfev == d%given_up_after) then
            d%fit%state%request = request_stop
            d%fit%state%info = -7
         end if
      end do
   end function residual

   function jacobian(self, fits, count) result(status) bind(c)
      type(c_ptr), value :: self
      integer(c_int64_t), value :: count
      type(c_ptr), intent(in) :: fits(count)
      integer(c_int) :: status
      type(asked), pointer :: times
      type(decay), pointer :: d
      real(c_double), pointer :: x(:)
      real(c_double) :: fjac(points, variables), work1(variables), work2(variables), work3(points)
      integer(c_int64_t) :: i

      status = 0
      call c_f_pointer(self, times)
      times%jacobians = times%jacobians + 1_c_int64_t
      do i = 1, count
         call c_f_pointer(fits(i), d)
         call c_f_pointer(d%fit%x, x, [variables])
         if (d%by_differences /= 0) then
            status = lm_differences(d%fit, points, d%f, 0.0_c_double, fjac, points, &
                                    c_funloc(model), fits(i))
            d%fit%state%nfev = d%fit%state%nfev + variables
         else
            fjac(:, 1) = exp(-x(2)*time())
            fjac(:, 2) = -x(1)*time()*fjac(:, 1)
            d%fit%state%njev = d%fit%state%njev + 1
         end if
         call lm_factor_in_place(d%fit%factors, points, variables, fjac, d%f, work1, work2, work3)
      end do
   end function jacobian

   function moved(self, fits, count) result(status) bind(c)
      type(c_ptr), value :: self
      integer(c_int64_t), value :: count
      type(c_ptr), intent(in) :: fits(count)
      integer(c_int) :: status
      type(asked), pointer :: times
      type(decay), pointer :: d
      integer(c_int64_t) :: i

      status = 0
      call c_f_pointer(self, times)
      times%moves = times%moves + 1_c_int64_t
      do i = 1, count
         call c_f_pointer(fits(i), d)
         d%f = d%f_trial
      end do
   end function moved

end module decays

program test_loop
   !! Fits in lock-step from Fortran: by derivatives, by differences, within bounds, and one that
   !! ends by itself.
   use, intrinsic :: iso_c_binding, only: c_double, c_f_pointer, c_int64_t, c_loc, c_ptr
   use decays, only: asked, decay, of_decays, points, variables
   use minpack_loop, only: lm_evaluator, lm_plan, lm_plan_fit, lm_plan_work, lm_run, lm_work
   implicit none (type, external)

   integer, parameter :: number = 40, bounded = 7, given_up = 12
   type(decay), target :: fits(number)
   type(asked), target :: times
   type(lm_work) :: work
   type(lm_evaluator) :: evaluator
   type(lm_plan) :: plan
   type(c_ptr) :: pointers(number)
   real(c_double), target :: lower(variables), upper(variables)
   real(c_double), allocatable, target :: memory(:)
   real(c_double), pointer :: x(:)
   integer :: i, j, failures

   lower = [0.0_c_double, 0.0_c_double]
   upper = [1.5_c_double, 9.0_c_double]
   do i = 1, number
      fits(i)%y = rate(i)*exp(-rate(i)*[(0.25_c_double*real(j, c_double), j=1, int(points))])
      fits(i)%by_differences = mod(i, 2)
      fits(i)%fit%n = variables
      fits(i)%fit%factors%ldr = variables
      fits(i)%fit%state%ftol = 1e-14_c_double
      fits(i)%fit%state%xtol = 1e-14_c_double
      fits(i)%fit%state%factor = 100.0_c_double
      fits(i)%fit%state%maxfev = 200_c_int64_t
      fits(i)%fit%state%mode = 1
      pointers(i) = c_loc(fits(i))
   end do
   fits(bounded)%fit%lower = c_loc(lower)
   fits(bounded)%fit%upper = c_loc(upper)
   fits(given_up)%given_up_after = 2_c_int64_t

   call lay_out()
   allocate (memory(plan%used/8))
   plan = lm_plan(c_loc(memory))
   call lay_out()
   do i = 1, number
      call c_f_pointer(fits(i)%fit%x, x, [variables])
      x = 1.0_c_double
   end do

   evaluator = of_decays(times)
   failures = 0
   call check(lm_run(pointers, int(number, c_int64_t), evaluator, work) == 0, "the loop", 0)
   do i = 1, number
      call c_f_pointer(fits(i)%fit%x, x, [variables])
      associate (state => fits(i)%fit%state)
         if (i == given_up) then
            call check(state%info == -7 .and. state%nfev == 2_c_int64_t, &
                        "the one that ends by itself", i)
         else
            call check(state%info >= 1 .and. state%info <= 4, "converged", i)
            call check(all(abs(x - rate(i)) < 1e-7_c_double*rate(i)), "the parameters", i)
            call check((state%njev > 0_c_int64_t) .neqv. (fits(i)%by_differences == 1), &
                       "the calls", i)
         end if
      end associate
   end do
   ! In lock-step: as many rounds as the longest fit has trials.
   call check(times%residuals <= maxval(fits%fit%state%nfev), "rounds", 0)
   call check(times%jacobians <= times%residuals, "Jacobians", 0)
   call check(times%moves <= times%residuals, "moves", 0)
   if (failures > 0) error stop 1
   print "(a)", "all passed"

contains

   pure function rate(i) result(b)
      integer, intent(in) :: i
      real(c_double) :: b

      b = 0.6_c_double + 0.05_c_double*real(i, c_double)
   end function rate

   subroutine lay_out()
      integer :: k

      call lm_plan_work(plan, work, variables)
      do k = 1, number
         call lm_plan_fit(plan, fits(k)%fit)
      end do
   end subroutine lay_out

   subroutine check(passed, what, which)
      logical, intent(in) :: passed
      character(*), intent(in) :: what
      integer, intent(in) :: which

      if (passed) return
      failures = failures + 1
      print '(a, ": fit ", i0)', what, which
   end subroutine check

end program test_loop
