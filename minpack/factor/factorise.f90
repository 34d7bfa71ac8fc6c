module minpack_factorise
   !! The factor step: from J and f to all that the step core needs of them.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_qrfac, only: qrfac
   implicit none (type, external)
   private
   public :: factorise

contains

   pure subroutine factorise(m, n, fjac, ldfjac, fvec, ipvt, qtf, acnorm, work1, work2, qtf_full) &
      bind(c, name="lm_factorise")
      !! J P = Q R with |R_11| ≥ |R_22| ≥ …, and the first n of Qᵀ f.
      integer(c_int64_t), intent(in), value :: m
      integer(c_int64_t), intent(in), value :: n
      integer(c_int64_t), intent(in), value :: ldfjac
      real(c_double), intent(inout) :: fjac(ldfjac, n)  !! in: J; out: R in the upper triangle
      real(c_double), intent(in) :: fvec(m)
      integer(c_int), intent(out) :: ipvt(n)
      real(c_double), intent(out) :: qtf(n)
      real(c_double), intent(out) :: acnorm(n)  !! ‖J e_j‖
      real(c_double), intent(out) :: work1(n)
      real(c_double), intent(out) :: work2(n)
      real(c_double), intent(out) :: qtf_full(m)  !! work

      qtf_full = fvec
      call qrfac(m, n, fjac, ldfjac, qtf_full, ipvt, acnorm, work1, work2)
      qtf = qtf_full(1:n)
   end subroutine factorise

end module minpack_factorise
