module minpack_loop
   !! The loop for callers in Fortran: what loop.h, plan.h and evaluator.h say, to the letter.
   !!
   !! An evaluator is three functions of the interface `lm_verb`, bind(c), each by its c_funloc, and
   !! whatever `self` points to. A fit is ended by itself within a verb by `request_stop` as the
   !! request, and the reason in `info`, of its state.
   use, intrinsic :: iso_c_binding, only: c_double, c_funptr, c_int, c_int64_t, c_null_funptr, &
                                          c_null_ptr, c_ptr, c_size_t
   use minpack_state, only: lm_state
   implicit none (type, external)
   private
   public :: lm_factors, lm_fit, lm_evaluator, lm_work, lm_plan, lm_verb, lm_function
   public :: lm_plan_doubles, lm_plan_fit, lm_plan_work, lm_begin, lm_advance, lm_round, lm_run
   public :: lm_differences, lm_factor_in_place

   type, bind(c) :: lm_factors
      type(c_ptr) :: r = c_null_ptr
      integer(c_int64_t) :: ldr = 0
      type(c_ptr) :: ipvt = c_null_ptr
      type(c_ptr) :: qtf = c_null_ptr
      type(c_ptr) :: acnorm = c_null_ptr
   end type lm_factors

   type, bind(c) :: lm_fit
      type(lm_state) :: state
      integer(c_int64_t) :: n = 0
      type(c_ptr) :: x = c_null_ptr
      type(c_ptr) :: x_trial = c_null_ptr
      type(c_ptr) :: diag = c_null_ptr
      type(lm_factors) :: factors
      type(c_ptr) :: lower = c_null_ptr
      type(c_ptr) :: upper = c_null_ptr
      type(c_ptr) :: inside = c_null_ptr
   end type lm_fit

   type, bind(c) :: lm_evaluator
      type(c_ptr) :: self = c_null_ptr
      type(c_funptr) :: residual = c_null_funptr
      type(c_funptr) :: jacobian = c_null_funptr
      type(c_funptr) :: moved = c_null_funptr
   end type lm_evaluator

   type, bind(c) :: lm_work
      type(c_ptr) :: p = c_null_ptr
      type(c_ptr) :: work = c_null_ptr
      type(c_ptr) :: scratch = c_null_ptr
      integer(c_int64_t) :: scratch_size = 0
   end type lm_work

   type, bind(c) :: lm_plan
      type(c_ptr) :: memory = c_null_ptr
      integer(c_size_t) :: used = 0
   end type lm_plan

   abstract interface
      function lm_verb(self, fits, count) result(status) bind(c)
         import :: c_int, c_int64_t, c_ptr
         implicit none (type, external)
         type(c_ptr), value :: self
         integer(c_int64_t), value :: count
         type(c_ptr), intent(in) :: fits(count)
         integer(c_int) :: status
      end function lm_verb

      function lm_function(self, x, fvec) result(status) bind(c)
         import :: c_int, c_ptr
         implicit none (type, external)
         type(c_ptr), value :: self, x, fvec
         integer(c_int) :: status
      end function lm_function
   end interface

   interface
      subroutine lm_plan_doubles(plan, numbers, count) bind(c, name="lm_plan_doubles")
         import :: c_int64_t, c_ptr, lm_plan
         implicit none (type, external)
         type(lm_plan), intent(inout) :: plan
         type(c_ptr), intent(inout) :: numbers
         integer(c_int64_t), value :: count
      end subroutine lm_plan_doubles

      subroutine lm_plan_fit(plan, fit) bind(c, name="lm_plan_fit")
         import :: lm_fit, lm_plan
         implicit none (type, external)
         type(lm_plan), intent(inout) :: plan
         type(lm_fit), intent(inout) :: fit
      end subroutine lm_plan_fit

      subroutine lm_plan_work(plan, work, n) bind(c, name="lm_plan_work")
         import :: c_int64_t, lm_plan, lm_work
         implicit none (type, external)
         type(lm_plan), intent(inout) :: plan
         type(lm_work), intent(inout) :: work
         integer(c_int64_t), value :: n
      end subroutine lm_plan_work

      subroutine lm_begin(fit, work) bind(c, name="lm_begin")
         import :: lm_fit, lm_work
         implicit none (type, external)
         type(lm_fit), intent(inout) :: fit
         type(lm_work), intent(inout) :: work
      end subroutine lm_begin

      subroutine lm_advance(fit, work) bind(c, name="lm_advance")
         import :: lm_fit, lm_work
         implicit none (type, external)
         type(lm_fit), intent(inout) :: fit
         type(lm_work), intent(inout) :: work
      end subroutine lm_advance

      function lm_round(fits, running, evaluator, work) result(still) &
         bind(c, name="lm_round")
         import :: c_int64_t, c_ptr, lm_evaluator, lm_work
         implicit none (type, external)
         integer(c_int64_t), value :: running
         type(c_ptr), intent(inout) :: fits(running)
         type(lm_evaluator), intent(in) :: evaluator
         type(lm_work), intent(inout) :: work
         integer(c_int64_t) :: still
      end function lm_round

      function lm_run(fits, count, evaluator, work) result(status) &
         bind(c, name="lm_run")
         import :: c_int, c_int64_t, c_ptr, lm_evaluator, lm_work
         implicit none (type, external)
         integer(c_int64_t), value :: count
         type(c_ptr), intent(inout) :: fits(count)
         type(lm_evaluator), intent(in) :: evaluator
         type(lm_work), intent(inout) :: work
         integer(c_int) :: status
      end function lm_run

      function lm_differences(fit, m, fvec, epsfcn, fjac, ldfjac, function, self) result(status) &
         bind(c, name="lm_differences")
         !! `function` is an `lm_function`.
         import :: c_double, c_funptr, c_int, c_int64_t, c_ptr, lm_fit
         implicit none (type, external)
         type(lm_fit), intent(inout) :: fit
         integer(c_int64_t), value :: m, ldfjac
         real(c_double), intent(in) :: fvec(m)
         real(c_double), value :: epsfcn
         real(c_double), intent(inout) :: fjac(ldfjac, fit%n)
         type(c_funptr), value :: function
         type(c_ptr), value :: self
         integer(c_int) :: status
      end function lm_differences

      subroutine lm_factor_in_place(factors, m, n, fjac, fvec, work1, work2, work3) &
         bind(c, name="lm_factor_in_place")
         import :: c_double, c_int64_t, c_ptr, lm_factors
         implicit none (type, external)
         type(lm_factors), intent(inout) :: factors
         integer(c_int64_t), value :: m, n
         real(c_double), intent(inout) :: fjac(m, n)
         real(c_double), intent(in) :: fvec(m)
         real(c_double), intent(inout) :: work1(n)
         real(c_double), intent(inout) :: work2(n)
         real(c_double), intent(inout) :: work3(m)
      end subroutine lm_factor_in_place
   end interface

end module minpack_loop
