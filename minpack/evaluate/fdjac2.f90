module minpack_fdjac2
   !! The step of a forward difference.
   use, intrinsic :: iso_c_binding, only: c_double
   use minpack_kinds, only: epsmch
   implicit none (type, external)
   private
   public :: difference_step, step_within

   real(c_double), parameter :: next_to_bound = 1.0e-4_c_double
      !! of `size`: from there on h = √ε |x_j| would lose four of its eight digits

contains

   pure function difference_step(x_j, epsfcn) result(h) bind(c, name="lm_difference_step")
      !! √max(epsfcn, ε) |x_j|, or the root itself where that is 0 (x_j = 0, or so small that the
      !! product underflows): it balances the truncation error of the difference, of order h,
      !! against the error `epsfcn` of F, divided by h.
      real(c_double), intent(in), value :: x_j
      real(c_double), intent(in), value :: epsfcn  !! relative error of F
      real(c_double) :: h
      real(c_double) :: root

      root = sqrt(max(epsfcn, epsmch))
      h = root*abs(x_j)
      if (.not. h > 0.0_c_double) h = root
   end function difference_step

   pure function step_within(h, x_j, lower, upper, size) result(step) &
      bind(c, name="lm_step_within")
      !! h, turned round or shortened so that x_j + h stays between the bounds; 0 where these are
      !! equal. A variable that approaches a bound at 0 has no size to take h from: near its bound
      !! the step suits what moves the residuals as the others do.
      real(c_double), intent(in), value :: h  !! > 0
      real(c_double), intent(in), value :: x_j  !! within the bounds
      real(c_double), intent(in), value :: lower
      real(c_double), intent(in), value :: upper
      real(c_double), intent(in), value :: size  !! the largest ‖D x‖ so far/D_j, 0 where not known
      real(c_double) :: step
      real(c_double) :: below, above

      below = x_j - lower
      above = upper - x_j
      step = h
      if (max(min(below, above), abs(x_j)) <= next_to_bound*size) then
         step = max(h, min(sqrt(epsmch)*size, 0.01_c_double*min(below, above)))
      end if
      if (step >= above) then
         if (step < below) then
            step = -step
         else
            step = 0.5_c_double*merge(above, -below, above >= below)
         end if
      end if
   end function step_within

end module minpack_fdjac2
