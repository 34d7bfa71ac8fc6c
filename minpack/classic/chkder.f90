module minpack_chkder
   !! MINPACK's `chkder`: is a Jacobian consistent with the functions it is to belong to?
   use, intrinsic :: iso_c_binding, only: c_double, c_int
   use minpack_fdjac2, only: difference_step
   use minpack_kinds, only: epsmch, is_finite, wp
   implicit none (type, external)
   private
   public :: chkder

   ! The neighbour lies √ε away, relatively. A right Jacobian predicts the change of F on the way
   ! there up to what is of second order in √ε, and a wrong one not even to first order.
   real(wp), parameter :: error_right = epsmch
   real(wp), parameter :: error_wrong = sqrt(epsmch)

contains

   subroutine chkder(m, n, x, fvec, fjac, ldfjac, xp, fvecp, mode, err) bind(c, name="chkder_")
      !! The argument list of the MINPACK-1 User Guide (ANL-80-74). To be called twice: first with
      !! mode = 1, for a neighbour `xp` of `x`; then, with F and J at x and F at xp, with mode = 2.
      !!
      !! The measure is 1 for a row that is right, 0 for one that is wrong; between the two, which
      !! happens, a row above 0.5 is probably right and one below probably wrong. It says nothing
      !! of a variable whose share in the change of F_i is small, so x should hold no zeros, no
      !! ones, and no numbers of very different influence.
      integer(c_int), intent(in) :: m
      integer(c_int), intent(in) :: n
      integer(c_int), intent(in) :: ldfjac
      real(c_double), intent(in) :: x(n)
      real(c_double), intent(in) :: fvec(m)  !! F(x); mode 2
      real(c_double), intent(in) :: fjac(ldfjac, n)  !! J(x); mode 2
      real(c_double), intent(inout) :: xp(n)  !! out in mode 1; mode 2: as it was then
      real(c_double), intent(in) :: fvecp(m)  !! F(xp); mode 2
      integer(c_int), intent(in) :: mode
      real(c_double), intent(inout) :: err(m)  !! out in mode 2: the measure of each row
      integer(c_int) :: i, j
      real(wp) :: change, predicted, terms

      if (mode == 1) then
         do j = 1, n
            xp(j) = x(j) + difference_step(x(j), epsmch)
         end do
         return
      end if

      do i = 1, m
         predicted = 0.0_wp
         terms = 0.0_wp
         do j = 1, n
            ! The step that was taken, which is not the one that was asked for: x + h is rounded.
            change = fjac(i, j)*(xp(j) - x(j))
            predicted = predicted + change
            terms = terms + abs(change)
         end do
         err(i) = measure(fvec(i), fvecp(i), predicted, terms)
      end do
   end subroutine chkder

   pure function measure(f, f_neighbour, predicted, terms) result(right)
      !! What the prediction misses, on a logarithmic scale from `error_wrong` to `error_right`.
      !!
      !! It is taken relative to F, whose rounding errors it contains, or to the terms of J x where
      !! those are larger, as next to a zero of F_i: there, even the true derivative misses by more
      !! than ε|F_i|.
      real(wp), intent(in) :: f
      real(wp), intent(in) :: f_neighbour
      real(wp), intent(in) :: predicted  !! sum of J_ij h_j
      real(wp), intent(in) :: terms  !! sum of |J_ij h_j|
      real(wp) :: right
      real(wp) :: missed

      right = 0.0_wp
      missed = abs((f_neighbour - f) - predicted)
      if (.not. is_finite(missed)) return
      if (missed > 0.0_wp) then
         missed = missed/max(abs(f) + abs(f_neighbour), terms/error_wrong)
      end if
      if (missed <= error_right) then
         right = 1.0_wp
      else if (missed < error_wrong) then
         right = log(missed/error_wrong)/log(error_right/error_wrong)
      end if
   end function measure

end module minpack_chkder
