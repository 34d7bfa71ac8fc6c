module minpack_fdjac2
   !! The step of a forward difference.
   use, intrinsic :: iso_c_binding, only: c_double
   use minpack_kinds, only: epsmch
   implicit none (type, external)
   private
   public :: difference_step, step_within

contains

   pure function difference_step(x_j, epsfcn) result(h) bind(c, name="pyminpack_difference_step")
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

   pure function step_within(h, x_j, lower, upper) result(step) &
      bind(c, name="pyminpack_step_within")
      !! h, turned round or shortened so that x_j + h stays within the bounds; 0 where these are
      !! equal.
      real(c_double), intent(in), value :: h  !! > 0
      real(c_double), intent(in), value :: x_j  !! within the bounds
      real(c_double), intent(in), value :: lower
      real(c_double), intent(in), value :: upper
      real(c_double) :: step

      step = h
      if (h > upper - x_j) step = -h
      if (h > upper - x_j .and. h > x_j - lower) then
         step = upper - x_j
         if (x_j - lower > step) step = -(x_j - lower)
      end if
   end function step_within

end module minpack_fdjac2
