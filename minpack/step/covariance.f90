module minpack_covariance
   !! The covariance of the variables at the end of a fit, bounds or none.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_covar, only: covar
   use minpack_kinds, only: ik, wp
   use minpack_qrfac, only: qrfac
   implicit none (type, external)
   private
   public :: covariance

   real(wp), parameter :: unknown = transfer(int(z'7FF8000000000000', c_int64_t), 1.0_wp)  ! NaN

contains

   pure subroutine covariance(n, r, ldr, ipvt, c, full_rank, work, pivots, x, lower, upper) &
      bind(c, name="lm_covariance")
      !! Of the variables off their bounds (JᵀJ)⁻¹, given the rest: one on its bound has none to
      !! tell (NaN), a fixed one is known exactly (0).
      integer(c_int64_t), intent(in), value :: n
      integer(c_int64_t), intent(in), value :: ldr
      real(c_double), intent(in) :: r(ldr, n)  !! upper triangle: R of J P = Q R
      integer(c_int), intent(in) :: ipvt(n)
      real(c_double), intent(out) :: c(n, n)  !! undefined where `full_rank` is 0
      integer(c_int), intent(out) :: full_rank  !! 1 or 0, of the columns that are off their bounds
      real(c_double), intent(out) :: work(n, 2*n + 5)
      integer(c_int), intent(out) :: pivots(n, 2)  !! work
      real(c_double), intent(in), optional :: x(n)  !! within the bounds; all three or none
      real(c_double), intent(in), optional :: lower(n)
      real(c_double), intent(in), optional :: upper(n)
      integer(ik) :: free

      if (present(lower)) then
         if (.not. all(x > lower .and. x < upper)) then
            call free_columns(n, r, ldr, ipvt, x, lower, upper, free, work, pivots(:, 2))
            work(:, 2*n + 1) = 0.0_wp  ! a right-hand side that nobody needs
            call qrfac(n, free, work, n, work(:, 2*n + 1), pivots, work(:, 2*n + 2), &
                       work(:, 2*n + 3), work(:, 2*n + 4), work(:, 2*n + 5))
            call covar(free, work, n, pivots, work(1, n + 1), c, full_rank)
            call scatter(n, free, pivots(:, 2), work(1, n + 1), lower, upper, c)
            return
         end if
      end if
      call covar(n, r, ldr, ipvt, c, work, full_rank)
   end subroutine covariance

   pure subroutine free_columns(n, r, ldr, ipvt, x, lower, upper, free, columns, variables)
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      integer(ik), intent(out) :: free
      real(wp), intent(inout) :: columns(n, n)  !! of R, in its order
      integer, intent(inout) :: variables(n)  !! that they belong to
      integer(ik) :: j, k

      free = 0
      do j = 1, n
         k = int(ipvt(j), ik)
         if (x(k) > lower(k) .and. x(k) < upper(k)) then
            free = free + 1
            columns(1:j, free) = r(1:j, j)
            columns(j + 1:n, free) = 0.0_wp
            variables(free) = int(k)
         end if
      end do
   end subroutine free_columns

   pure subroutine scatter(n, free, variables, among_free, lower, upper, c)
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: free
      integer, intent(in) :: variables(free)
      real(wp), intent(in) :: among_free(free, free)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(out) :: c(n, n)
      integer(ik) :: i, j

      do j = 1, n
         do i = 1, n
            c(i, j) = merge(unknown, 0.0_wp, lower(i) < upper(i) .and. lower(j) < upper(j))
         end do
      end do
      do j = 1, free
         do i = 1, free
            c(variables(i), variables(j)) = among_free(i, j)
         end do
      end do
   end subroutine scatter

end module minpack_covariance
