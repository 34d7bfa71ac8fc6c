module minpack_damped
   !! The least-squares problem of a trial Levenberg-Marquardt parameter: S and Qᵀ b of
   !! [sqrt(par) D P; R] from R and Qᵀ f (Moré 1978, section 5; MINPACK's qrsolv does it by Givens
   !! rotations). The diagonal is on top: where par is large, R on top would cancel in Qᵀ b. Both
   !! blocks are upper triangular and stay so, which leaves (2/3) n^3 operations, all but a share of
   !! 8/n in matrix products.
   use, intrinsic :: iso_c_binding, only: c_int
   use minpack_kinds, only: wp, ik
   use minpack_stacked, only: stacked_qr
   use minpack_scales, only: scale_for
   use minpack_sizes, only: leading, padded
   implicit none (type, external)
   private
   public :: damped

contains

   pure subroutine damped(n, r, ipvt, par, diag, qtf, s, qtb, work) bind(c, name="blocked_damped")
      !! Triangular factor S and right-hand side of the damped problem. R and Qᵀ f are kept.
      integer(ik), intent(in), value :: n  !! order of R
      real(wp), intent(in) :: r(n, n)  !! upper triangular factor of J P
      integer(c_int), intent(in) :: ipvt(n)  !! P: column of J that is column j of J P, from 1
      real(wp), intent(in), value :: par  !! Levenberg-Marquardt parameter
      real(wp), intent(in) :: diag(n)  !! D, in J's order
      real(wp), intent(in) :: qtf(n)  !! first n of Qᵀ f
      real(wp), intent(inout) :: s(*)
         !! leading(n) rows, padded(n) columns; in the first n, upper triangular:
         !! SᵀS = Pᵀ (JᵀJ + par D²) P
      real(wp), intent(out) :: qtb(n)  !! right-hand side: S z = qtb for the step P z
      real(wp), intent(inout) :: work(*)  !! damped_size(n) numbers

      call damped_in(n, r, ipvt, par, diag, qtf, s, qtb, leading(n), padded(n), work, work(n + 1))
   end subroutine damped

   pure subroutine damped_in(n, r, ipvt, par, diag, qtf, top, qtb, ld, columns, scales, bottom)
      !! damped with its work space in shape.
      integer(ik), intent(in) :: n  !! order of R
      real(wp), intent(in) :: r(n, n)  !! as for damped
      real(wp), intent(in) :: par  !! as for damped
      real(wp), intent(in) :: diag(n)  !! as for damped
      real(wp), intent(in) :: qtf(n)  !! as for damped
      integer(c_int), intent(in) :: ipvt(n)  !! as for damped
      real(wp), intent(out) :: qtb(n)  !! as for damped
      integer(ik), intent(in) :: ld  !! leading dimension of the work space
      integer(ik), intent(in) :: columns  !! its columns
      real(wp), intent(out) :: top(ld, columns)  !! sqrt(par) D P, then S, Qᵀ b beside it
      real(wp), intent(out) :: scales(n)  !! of the columns
      real(wp), intent(out) :: bottom(ld, columns)  !! R, Qᵀ f beside it; destroyed
      real(wp) :: scale, weight
      integer(ik) :: j, filled

      do j = 1, n
         weight = sqrt(par)*diag(ipvt(j))
         scale = scale_for(max(maxval(abs(r(1:j, j))), weight))
         bottom(1:j, j) = r(1:j, j)*scale
         bottom(j + 1:, j) = 0
         top(:, j) = 0
         top(j, j) = weight*scale
         scales(j) = scale
      end do
      scale = scale_for(maxval(abs(qtf)))
      bottom(1:n, n + 1) = qtf*scale
      bottom(n + 1:, n + 1) = 0
      bottom(:, n + 2:) = 0
      top(:, n + 1:) = 0

      filled = n
      call stacked_qr(n, n, (n + 4)/4*4, ld, top, ld, bottom, .true., filled)

      if (scale > 0) scale = 1/scale
      qtb = top(1:n, n + 1)*scale
      do j = 1, n
         scale = scales(j)
         if (scale > 0) top(1:j, j) = top(1:j, j)*(1/scale)
      end do
   end subroutine damped_in

end module minpack_damped
