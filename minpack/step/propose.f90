module minpack_propose
   !! Propose a step from the linear model of the residual.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_enorm, only: enorm
   use minpack_kinds, only: ik, wp
   use minpack_lmpar, only: lmpar
   use minpack_triangular, only: times_upper
   implicit none (type, external)
   private
   public :: propose

contains

   pure subroutine propose(n, r, ldr, ipvt, diag, qtf, fnorm, delta, par, p, pnorm, prered, &
                           dirder, work1, work2, work3, scratch_size, scratch) &
      bind(c, name="lm_propose")
      !! p minimises ‖f + J p‖ within ‖D p‖ ≤ delta, roughly; `prered` and `dirder` are what the
      !! model promises (Moré 1978, section 4): with t₁ = ‖J p‖/‖f‖ and t₂ = √par ‖D p‖/‖f‖ the
      !! relative reduction of the sum of squares, t₁² + 2 t₂², and half its derivative along p,
      !! -(t₁² + t₂²).
      integer(c_int64_t), intent(in) :: n
      integer(c_int64_t), intent(in) :: ldr
      real(c_double), intent(inout) :: r(ldr, n)  !! strict lower triangle: work
      integer(c_int), intent(in) :: ipvt(n)
      real(c_double), intent(in) :: diag(n)
      real(c_double), intent(in) :: qtf(n)
      real(c_double), intent(in) :: fnorm  !! > 0
      real(c_double), intent(in) :: delta
      real(c_double), intent(inout) :: par
      real(c_double), intent(out) :: p(n)
      real(c_double), intent(out) :: pnorm  !! ‖D p‖
      real(c_double), intent(out) :: prered
      real(c_double), intent(out) :: dirder
      real(c_double), intent(out) :: work1(n)
      real(c_double), intent(out) :: work2(n)
      real(c_double), intent(out) :: work3(n)
      integer(c_int64_t), intent(in) :: scratch_size
      real(c_double), intent(inout) :: scratch(scratch_size)  !! work of `lmpar`
      real(wp) :: linear, damping

      call lmpar(n, r, ldr, ipvt, diag, qtf, delta, par, p, pnorm, work1, work2, work3, &
                 scratch_size, scratch)
      p = -p
      call times_upper(n, r, ldr, ipvt, p, work1)
      linear = enorm(n, work1)/fnorm
      damping = sqrt(par)*pnorm/fnorm
      prered = linear**2 + 2.0_wp*damping**2
      dirder = -(linear**2 + damping**2)
   end subroutine propose

end module minpack_propose
