! What minpack.h repeats, as the Fortran sources have it: for test_mirror.c.
module mirror
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t, c_sizeof, c_size_t
   use minpack_doubt, only: doubt_noise, doubt_none, doubt_truncation, doubt_unfinished
   use minpack_info, only: info_gtol, info_improper, info_nonfinite, info_stopped
   use minpack_loop, only: lm_evaluator, lm_factors, lm_fit, lm_plan, lm_work
   use minpack_state, only: lm_state, request_jacobian, request_residual, request_start, &
                            request_stop
   implicit none (type, external)
   private
   public :: numbered_state, constants, sizes

contains

   subroutine numbered_state(state, size) bind(c, name="numbered_state")
      !! Every component is its number in the order of the type.
      type(lm_state), intent(out) :: state
      integer(c_size_t), intent(out) :: size

      size = c_sizeof(state)
      state = lm_state(1.0_c_double, 2.0_c_double, 3.0_c_double, 4.0_c_double, 5_c_int64_t, &
                       6_c_int, 7_c_int, 8.0_c_double, 9_c_int64_t, 10_c_int64_t, 11_c_int, &
                       12_c_int, 13_c_int, 14_c_int, 15_c_int, 16_c_int, 17_c_int, 18_c_int, &
                       19_c_int64_t, 20.0_c_double, 21.0_c_double, 22.0_c_double, 23.0_c_double, &
                       24.0_c_double, 25.0_c_double, 26.0_c_double, 27.0_c_double, 28.0_c_double, &
                       29.0_c_double, 30.0_c_double, 31_c_int64_t, 32_c_int, &
                       33_c_int)
   end subroutine numbered_state

   subroutine constants(values) bind(c, name="constants")
      integer(c_int), intent(out) :: values(12)

      values = [request_start, request_residual, request_jacobian, request_stop, info_improper, &
                info_gtol, info_nonfinite, info_stopped, doubt_none, doubt_noise, &
                doubt_truncation, doubt_unfinished]
   end subroutine constants

   subroutine sizes(values) bind(c, name="sizes")
      !! Of the types of loop/loop.f90.
      integer(c_size_t), intent(out) :: values(5)
      type(lm_factors) :: factors
      type(lm_fit) :: fit
      type(lm_evaluator) :: evaluator
      type(lm_work) :: work
      type(lm_plan) :: plan

      values = [c_sizeof(factors), c_sizeof(fit), c_sizeof(evaluator), c_sizeof(work), &
                c_sizeof(plan)]
   end subroutine sizes

end module mirror
