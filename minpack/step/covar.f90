module minpack_covar
   !! The inverse of JᵀJ from the R of its QR factorisation.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_dot, only: dot
   use minpack_enorm, only: enorm
   use minpack_kinds, only: epsmch, ik, wp
   implicit none (type, external)
   private
   public :: covar

contains

   pure subroutine covar(n, r, ldr, ipvt, c, r_inverse, full_rank) bind(c, name="lm_covar")
      !! C = P R⁻¹ R⁻ᵀ Pᵀ, exactly symmetric, where J P = Q R has full numerical rank.
      !!
      !! Rank is lost where |R_kk| ≤ n ε ‖J P e_k‖ for some k: a test of each column against itself,
      !! so that the units of the variables do not matter. ‖J P e_k‖ is the norm of R's column k.
      integer(c_int64_t), intent(in) :: n
      integer(c_int64_t), intent(in) :: ldr
      real(c_double), intent(in) :: r(ldr, n)  !! upper triangle: R
      integer(c_int), intent(in) :: ipvt(n)
      real(c_double), intent(out) :: c(n, n)  !! undefined where `full_rank` is 0
      real(c_double), intent(out) :: r_inverse(n, n)  !! work: lower triangle R⁻ᵀ
      integer(c_int), intent(out) :: full_rank  !! 1 or 0
      real(wp) :: threshold
      integer(ik) :: i, j, k

      full_rank = 0
      do k = 1, n
         threshold = real(n, wp)*epsmch*enorm(k, r(:, k))
         if (.not. abs(r(k, k)) > threshold) return
      end do
      full_rank = 1

      ! X R = I, row by row of X = R⁻¹; row i of X lies in column i of `r_inverse`.
      do i = 1, n
         r_inverse(i, i) = 1.0_wp/r(i, i)
         do k = i + 1, n
            r_inverse(k, i) = -dot(k - i, r_inverse(i:, i), r(i:, k))/r(k, k)
         end do
      end do

      do j = 1, n
         do i = 1, j
            c(ipvt(i), ipvt(j)) = dot(n - j + 1, r_inverse(j:, i), r_inverse(j:, j))
            c(ipvt(j), ipvt(i)) = c(ipvt(i), ipvt(j))
         end do
      end do
   end subroutine covar

end module minpack_covar
