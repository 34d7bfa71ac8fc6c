module minpack_triangular
   !! Substitution with the upper triangle of R, both ways, by columns.
   use minpack_dot, only: dot
   use minpack_kinds, only: ik, wp
   implicit none (type, external)
   private
   public :: solve_upper, solve_upper_transposed, times_upper

contains

   pure subroutine solve_upper(n, r, ldr, b)
      !! b := R⁻¹ b, R of order n with a non-zero diagonal.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      real(wp), intent(inout) :: b(n)
      real(wp) :: b_j
      integer(ik) :: j

      do j = n, 1, -1
         b_j = b(j)/r(j, j)
         b(j) = b_j
         b(1:j - 1) = b(1:j - 1) - b_j*r(1:j - 1, j)
      end do
   end subroutine solve_upper

   pure subroutine solve_upper_transposed(n, r, ldr, b)
      !! b := R⁻ᵀ b, R of order n with a non-zero diagonal.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      real(wp), intent(inout) :: b(n)
      integer(ik) :: j

      do j = 1, n
         b(j) = (b(j) - dot(j - 1, r(:, j), b))/r(j, j)
      end do
   end subroutine solve_upper_transposed

   pure subroutine times_upper(n, r, ldr, ipvt, p, rp)
      !! rp := R Pᵀ p, which is J p but for the orthogonal factor.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: p(n)
      real(wp), intent(out) :: rp(n)
      real(wp) :: p_j
      integer(ik) :: j

      do j = 1, n
         p_j = p(ipvt(j))
         rp(1:j - 1) = rp(1:j - 1) + p_j*r(1:j - 1, j)
         rp(j) = p_j*r(j, j)
      end do
   end subroutine times_upper

end module minpack_triangular
