module minpack_scaling
   !! The scale of the variables, and the test of the gradient that follows it.
   use minpack_kinds, only: ik, wp
   implicit none (type, external)
   private
   public :: first_diag, grow_diag, gradient_cosines

contains

   pure subroutine first_diag(n, acnorm, diag)
      !! D_j = ‖J e_j‖ at the start, 1 for a column of zeros (Moré 1978, section 6).
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: acnorm(n)
      real(wp), intent(out) :: diag(n)

      diag = merge(acnorm, 1.0_wp, acnorm > 0.0_wp)
   end subroutine first_diag

   pure subroutine grow_diag(n, acnorm, diag)
      !! D never shrinks: that makes the method converge, and invariant to the units of x.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: acnorm(n)
      real(wp), intent(inout) :: diag(n)

      diag = max(diag, acnorm)
   end subroutine grow_diag

   pure subroutine gradient_cosines(n, r, ldr, ipvt, qtf, acnorm, fnorm, cosines, &
                                    shares)
      !! Cosines of the angles between f and the columns of J, 0 for a column of zeros. With
      !! l = ipvt(j): (J e_l)ᵀ f = (R e_j)ᵀ qtf.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: qtf(n)
      real(wp), intent(in) :: acnorm(n)
      real(wp), intent(in) :: fnorm
      real(wp), intent(out) :: cosines(n)  !! in the order of the variables
      real(wp), intent(out) :: shares(n)  !! work: qtf/‖f‖
      real(wp) :: cosine
      integer(ik) :: i, j, l

      cosines = 0.0_wp
      if (.not. fnorm > 0.0_wp) return
      shares = qtf/fnorm
      columns: do j = 1, n
         l = int(ipvt(j), ik)
         if (.not. acnorm(l) > 0.0_wp) cycle columns
         cosine = 0.0_wp
         do i = 1, j  ! both quotients are at most 1: no over- or underflow that matters
            cosine = cosine + (r(i, j)/acnorm(l))*shares(i)
         end do
         cosines(l) = cosine
      end do columns
   end subroutine gradient_cosines

end module minpack_scaling
