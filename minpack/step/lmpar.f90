module minpack_lmpar
   !! The Levenberg–Marquardt parameter (Moré 1978, section 5): `par` ≥ 0 with ‖D z‖ ≈ delta for z
   !! minimising ‖[J; √par D] z - [f; 0]‖, by a safeguarded Newton iteration on the secular function
   !! φ(par) = ‖D z(par)‖ - delta.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_enorm, only: enorm
   use minpack_kinds, only: dwarf, ik, is_finite, wp
   use minpack_qrsolv, only: qrsolv, solve_damped_transposed
   use minpack_sizes, only: lmpar_size, leading, padded
   use minpack_triangular, only: solve_upper, solve_upper_transposed
   use minpack_dispatch, only: damped
   implicit none (type, external)
   private
   public :: lmpar

   real(wp), parameter :: delta_tolerance = 0.1_wp  !! |φ| ≤ 0.1 delta is near enough
   real(wp), parameter :: par_floor = 1.0e-3_wp  !! of the upper bound, where par would start at 0
   integer, parameter :: max_iterations = 10
   integer(ik), parameter :: damped_worth = 48
      !! Order of R from which `damped` is taken: at 50 it is twice as fast as `qrsolv`, at 500 six
      !! times. It is no slower from 32 on, but where R is not pivoted by blocks (below 48 too) the
      !! path is to be the original's to the last rounding.

contains

   pure subroutine lmpar(n, r, ldr, ipvt, diag, qtb, delta, par, z, dz_norm, sdiag, work1, work2, &
                         scratch_size, scratch) bind(c, name="lm_lmpar")
      integer(c_int64_t), intent(in) :: n
      integer(c_int64_t), intent(in) :: ldr
      real(c_double), intent(inout) :: r(ldr, n)
         !! upper triangle: R of J P = Q R, kept; strict lower triangle: overwritten
      integer(c_int), intent(in) :: ipvt(n)
      real(c_double), intent(in) :: diag(n)  !! D, in the order of the variables, > 0
      real(c_double), intent(in) :: qtb(n)  !! first n of Qᵀ f
      real(c_double), intent(in) :: delta  !! > 0
      real(c_double), intent(inout) :: par  !! in: a guess; out: the parameter
      real(c_double), intent(out) :: z(n)
      real(c_double), intent(out) :: dz_norm  !! ‖D z‖
      real(c_double), intent(out) :: sdiag(n)  !! work
      real(c_double), intent(out) :: work1(n)
      real(c_double), intent(out) :: work2(n)
      integer(c_int64_t), intent(in) :: scratch_size
      real(c_double), intent(inout) :: scratch(scratch_size)
         !! work: from `lmpar_size(n)` numbers on, and with ldr = n, S comes by blocks
      real(wp) :: phi, phi_previous, slope, par_lower, par_upper, gradient_norm
      integer(ik) :: rank, lds
      integer :: iteration
      logical :: by_blocks

      call gauss_newton(n, r, ldr, ipvt, qtb, rank, z, work1)
      work2 = diag*z
      dz_norm = enorm(n, work2)
      phi = dz_norm - delta
      if (phi <= delta_tolerance*delta) then
         par = 0.0_wp
         return
      end if
      lds = leading(n)
      by_blocks = n >= damped_worth .and. ldr == n .and. scratch_size >= lmpar_size(n)

      ! φ is convex and falls: its Newton step from 0 cannot pass the zero. With a singular R,
      ! φ(0) is the limit of nothing and bounds nothing.
      par_lower = 0.0_wp
      if (rank == n .and. is_finite(dz_norm)) then
         call normalised(n, ipvt, diag, work2, dz_norm, work1)
         call solve_upper_transposed(n, r, ldr, work1)
         slope = enorm(n, work1)
         par_lower = ((phi/delta)/slope)/slope
      end if
      call scaled_gradient(n, r, ldr, ipvt, diag, qtb, work1)
      gradient_norm = enorm(n, work1)
      par_upper = gradient_norm/delta
      if (.not. par_upper > 0.0_wp) par_upper = dwarf/min(delta, delta_tolerance)

      par = min(max(par, par_lower), par_upper)
      if (.not. par > 0.0_wp) par = gradient_norm/dz_norm

      do iteration = 1, max_iterations
         if (.not. par > 0.0_wp) par = max(dwarf, par_floor*par_upper)
         work1 = sqrt(par)*diag
         if (by_blocks) then
            call damped(n, r, ipvt, par, diag, qtb, scratch, work2, scratch(lds*padded(n) + 1))
            call gauss_newton(n, scratch, lds, ipvt, work2, rank, z, work1)
         else
            call qrsolv(n, r, ldr, ipvt, work1, qtb, z, sdiag, work2)
         end if
         work2 = diag*z
         dz_norm = enorm(n, work2)
         phi_previous = phi
         phi = dz_norm - delta

         ! The second condition: par is as good as zero and φ(0) < 0 is only approached.
         if (abs(phi) <= delta_tolerance*delta &
             .or. (par_lower <= 0.0_wp .and. phi <= phi_previous .and. phi_previous < 0.0_wp) &
             .or. iteration == max_iterations) return

         call normalised(n, ipvt, diag, work2, dz_norm, work1)
         if (by_blocks) then
            call solve_upper_transposed(n, scratch, lds, work1)
         else
            call solve_damped_transposed(n, r, ldr, sdiag, work1)
         end if
         slope = enorm(n, work1)
         if (phi > 0.0_wp) then
            par_lower = max(par_lower, par)
         else if (phi < 0.0_wp) then
            par_upper = min(par_upper, par)
         end if
         par = max(par_lower, par + ((phi/delta)/slope)/slope)
      end do
   end subroutine lmpar

   pure subroutine gauss_newton(n, r, ldr, ipvt, qtb, rank, z, work)
      !! z = P [R⁻¹ qtb], zero for the components past the first zero on R's diagonal.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: qtb(n)
      integer(ik), intent(out) :: rank
      real(wp), intent(out) :: z(n)
      real(wp), intent(out) :: work(n)
      integer(ik) :: j

      rank = 0
      count: do while (rank < n)
         if (.not. abs(r(rank + 1, rank + 1)) > 0.0_wp) exit count
         rank = rank + 1
      end do count
      work(1:rank) = qtb(1:rank)
      work(rank + 1:n) = 0.0_wp
      call solve_upper(rank, r, ldr, work)
      do j = 1, n
         z(ipvt(j)) = work(j)
      end do
   end subroutine gauss_newton

   pure subroutine normalised(n, ipvt, diag, dz, dz_norm, w)
      !! w = Pᵀ D (D z/‖D z‖): with it φ' = -‖D z‖ ‖S⁻ᵀ w‖², and at par = 0 R in the place of S.
      integer(ik), intent(in) :: n
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: dz(n)
      real(wp), intent(in) :: dz_norm
      real(wp), intent(out) :: w(n)
      integer(ik) :: j

      do j = 1, n
         w(j) = diag(ipvt(j))*(dz(ipvt(j))/dz_norm)
      end do
   end subroutine normalised

   pure subroutine scaled_gradient(n, r, ldr, ipvt, diag, qtb, g)
      !! g = Pᵀ D⁻¹ Jᵀ f = Pᵀ D⁻¹ P Rᵀ qtb.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: qtb(n)
      real(wp), intent(out) :: g(n)
      integer(ik) :: i, j

      do j = 1, n
         g(j) = 0.0_wp
         do i = 1, j  ! D ≥ ‖J e_j‖ where it is MINPACK's: the quotient cannot overflow
            g(j) = g(j) + (r(i, j)/diag(ipvt(j)))*qtb(i)
         end do
      end do
   end subroutine scaled_gradient

end module minpack_lmpar
