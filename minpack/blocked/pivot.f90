module minpack_pivot
   !! QR with column pivoting of a triangular factor: R P = Q S with non-increasing |diagonal|, as
   !! Businger & Golub 1965 (Numer. Math. 7, 269) and MINPACK's qrfac define it, so that R of a tall
   !! J, found without pivoting, becomes what pivoting J itself would have given.
   !!
   !! The choice of a pivot needs only the pivot row of the remaining matrix; the rest of a panel's
   !! update waits and comes as one product (Quintana-Ortí, Sun & Bischof 1998, SIAM J. Sci. Comput.
   !! 19, 1486). Each pivot still reads the remaining matrix once, for Vᵀ A: past the second-level
   !! cache that, not arithmetic, is the price. Rows below the deepest pivot so far are zeros in
   !! every reflector and are left out, so an R already in order costs next to nothing.
   use, intrinsic :: iso_c_binding, only: c_int
   use minpack_kinds, only: epsmch, wp, ik
   use minpack_kernels, only: inner_4x1, subtract_1x1, subtract_8x2, squares
   use minpack_scales, only: scale_for
   use minpack_sizes, only: leading, panel => pivot_panel
   implicit none (type, external)
   private
   public :: pivot

   real(wp), parameter :: norm_trust = sqrt(epsmch)
      !! A downdated column norm is recomputed once (norm/reference)² sinks to this: by then
      !! cancellation has eaten half its digits (Drmač & Bujanović, ACM TOMS 35 (2008), 12).
      !! MINPACK waits until 20 ε; nearly parallel columns then pivot in the wrong order.

   real(wp), parameter :: precise = 2.0_wp**(-900)
      !! sum of squares that is large enough to have lost no digit to underflow

contains

   pure subroutine pivot(n, r, qtf, ipvt, work) bind(c, name="blocked_pivot")
      !! Replace R and Qᵀ f by those of the pivoted factorisation.
      integer(ik), intent(in), value :: n  !! order of R
      real(wp), intent(inout) :: r(n, n)  !! upper triangular factor, zeros below
      real(wp), intent(inout) :: qtf(n)  !! first n of Qᵀ f
      integer(c_int), intent(out) :: ipvt(n)  !! column of R that became column j, counted from 1
      real(wp), intent(inout) :: work(*)  !! pivot_size(n) numbers
      integer(ik) :: ld, w, v, norms

      ld = leading(n)
      w = 1 + ld*(n + 4)
      v = w + panel*(n + 4)
      norms = v + ld*panel
      call pivot_in(n, r, qtf, ipvt, ld, work, work(w), work(v), work(norms))
   end subroutine pivot

   pure subroutine pivot_in(n, r, qtf, ipvt, ld, a, w, v, norms)
      !! pivot with its work space in shape.
      integer(ik), intent(in) :: n  !! order of R
      real(wp), intent(inout) :: r(n, n)  !! as for pivot
      real(wp), intent(inout) :: qtf(n)  !! as for pivot
      integer(c_int), intent(out) :: ipvt(n)  !! as for pivot
      integer(ik), intent(in) :: ld  !! leading dimension
      real(wp), intent(out) :: a(ld, n + 4)  !! remaining matrix, Qᵀ f beside it
      real(wp), intent(out) :: w(panel, n + 4)  !! multipliers of the panel's reflectors
      real(wp), intent(out) :: v(ld, panel)  !! reflectors of the panel
      real(wp), intent(out) :: norms(n + 4, 3)  !! norms now, when last computed; scales
      integer(ik) :: first, p, deep, j
      logical :: stale

      do j = 1, n
         norms(j, 3) = scale_for(maxval(abs(r(1:j, j))))
         if (.not. norms(j, 3) > 0) norms(j, 3) = 1
         a(1:j, j) = r(1:j, j)*norms(j, 3)
         a(j + 1:, j) = 0
         norms(j, 1) = length(j, a(1, j))
         ipvt(j) = int(j, c_int)
      end do
      a(1:n, n + 1) = qtf
      a(n + 1:, n + 1) = 0
      a(:, n + 2:) = 0
      norms(:, 2) = norms(:, 1)
      norms(n + 1:, :) = 0

      first = 1
      deep = 0
      do while (first <= n)
         v = 0
         w(:, first:) = 0
         pivots: do p = first, min(first + panel - 1, n)
            call bring_largest(n, p, ld, a, w, norms, ipvt, deep)
            call eliminate(n, first, p, deep, ld, a, w, v, norms, stale)
            if (stale) exit pivots
         end do pivots
         p = min(p, first + panel - 1, n)
         call update_remaining(n, p - first + 1, p, deep, ld, a, w, v)
         if (stale) call renew_norms(n, p, ld, a, norms)
         first = p + 1
      end do

      qtf = a(1:n, n + 1)
      do j = 1, n
         r(1:j, j) = a(1:j, j)/norms(j, 3)
         r(j + 1:, j) = 0
      end do
   end subroutine pivot_in

   pure subroutine bring_largest(n, p, ld, a, w, norms, ipvt, deep)
      !! Exchange column p with the remaining column of largest norm.
      integer(ik), intent(in) :: n  !! order of R
      integer(ik), intent(in) :: p  !! position of the pivot
      integer(ik), intent(in) :: ld  !! leading dimension of a
      real(wp), intent(inout) :: a(ld, n + 4)  !! as for pivot_in
      real(wp), intent(inout) :: w(panel, n + 4)  !! as for pivot_in
      real(wp), intent(inout) :: norms(n + 4, 3)  !! as for pivot_in
      integer(c_int), intent(inout) :: ipvt(n)  !! as for pivot_in
      integer(ik), intent(inout) :: deep  !! last row that any pivot so far reaches
      real(wp) :: largest, t
      integer(c_int) :: swapped
      integer(ik) :: j, q, i

      q = p
      largest = norms(p, 1)/norms(p, 3)
      do j = p + 1, n
         if (norms(j, 1)/norms(j, 3) > largest) then
            q = j
            largest = norms(j, 1)/norms(j, 3)
         end if
      end do
      deep = max(deep, int(ipvt(q), ik), p)
      if (q == p) return
      do i = 1, n
         t = a(i, p); a(i, p) = a(i, q); a(i, q) = t
      end do
      do i = 1, panel
         t = w(i, p); w(i, p) = w(i, q); w(i, q) = t
      end do
      norms(q, 1:2) = norms(p, 1:2)
      t = norms(p, 3); norms(p, 3) = norms(q, 3); norms(q, 3) = t
      swapped = ipvt(p); ipvt(p) = ipvt(q); ipvt(q) = swapped
   end subroutine bring_largest

   pure subroutine eliminate(n, first, p, deep, ld, a, w, v, norms, stale)
      !! Reflect column p, and finish row p of the remaining columns.
      integer(ik), intent(in) :: n  !! order of R
      integer(ik), intent(in) :: first  !! first column of the panel
      integer(ik), intent(in) :: p  !! position of the pivot
      integer(ik), intent(in) :: deep  !! last row that any pivot so far reaches
      integer(ik), intent(in) :: ld  !! leading dimension of a
      real(wp), intent(inout) :: a(ld, n + 4)  !! as for pivot_in
      real(wp), intent(inout) :: w(panel, n + 4)  !! as for pivot_in
      real(wp), intent(inout) :: v(ld, panel)  !! as for pivot_in
      real(wp), intent(inout) :: norms(n + 4, 3)  !! as for pivot_in
      logical, intent(out) :: stale  !! some norm has to be computed anew
      real(wp) :: before(panel), row(panel), g(4), alpha, beta, tau
      integer(ik) :: j, k, c, i

      k = p - first + 1
      stale = .false.
      do i = 1, k - 1
         call subtract_1x1(deep - p + 1, v(p, i), a(p, p), w(i, p))
      end do
      alpha = a(p, p)
      beta = -sign(length(deep - p + 1, a(p, p)), alpha)
      tau = 0
      if (abs(beta) > 0) then
         tau = (beta - alpha)/beta
         v(p, k) = 1
         v(p + 1:deep, k) = a(p + 1:deep, p)/(alpha - beta)
         a(p, p) = beta
      end if

      ! Vᵀ v for the reflectors that a still lacks, V's row p for finishing a's.
      before = 0
      do i = 1, k - 1, 4
         call inner_4x1(deep - p + 1, ld, v(p, i), v(p, k), before(i))
      end do
      before(k:) = 0
      row = v(p, :)
      do j = p + 1, n + 1, 4
         call inner_4x1(deep - p + 1, ld, a(p, j), v(p, k), g)
         do c = 0, 3
            w(k, j + c) = tau*(g(c + 1) - short_product(before, w(1, j + c)))
            a(p, j + c) = a(p, j + c) - short_product(row, w(1, j + c))
            if (norms(j + c, 1) > 0) call downdate(a(p, j + c), norms(j + c, 1), &
                                                   norms(j + c, 2), stale)
         end do
      end do
   end subroutine eliminate

   pure function length(rows, x) result(norm)
      !! Euclidean norm of the remainder of a column, however small: in a rank-deficient or graded
      !! matrix the order of the last pivots hangs on it.
      integer(ik), intent(in) :: rows  !! length of the column
      real(wp), intent(in) :: x(rows)  !! column, scaled so that squares do not overflow
      real(wp) :: norm
      norm = squares(rows, x)
      if (norm >= precise) then
         norm = sqrt(norm)
      else
         norm = maxval(abs(x))
         if (norm > 0) norm = norm*sqrt(sum((x/norm)**2))
      end if
   end function length

   pure function short_product(x, y) result(s)
      !! Inner product of a panel's length.
      real(wp), intent(in) :: x(panel)  !! one factor
      real(wp), intent(in) :: y(panel)  !! the other
      real(wp) :: s  !! sum of x*y
      integer(ik) :: i
      s = 0
      !$omp simd reduction(+: s)
      do i = 1, panel
         s = s + x(i)*y(i)
      end do
   end function short_product

   pure subroutine downdate(entry, norm, last, stale)
      !! Norm of a column without its topmost entry.
      real(wp), intent(in) :: entry  !! the entry that left
      real(wp), intent(inout) :: norm  !! norm; as it was, made negative, where it is stale
      real(wp), intent(in) :: last  !! norm when last computed from the column
      logical, intent(inout) :: stale  !! set where the norm has to be computed anew
      real(wp) :: t
      t = abs(entry)/norm
      t = max(0.0_wp, (1 - t)*(1 + t))
      if (t*(norm/last)**2 <= norm_trust) then
         stale = .true.
         norm = -norm
      else
         norm = norm*sqrt(t)
      end if
   end subroutine downdate

   pure subroutine update_remaining(n, k, p, deep, ld, a, w, v)
      !! Apply the panel's k reflectors to the rows below p of the remaining columns.
      integer(ik), intent(in) :: n  !! as for eliminate
      integer(ik), intent(in) :: k  !! as for eliminate
      integer(ik), intent(in) :: p  !! as for eliminate
      integer(ik), intent(in) :: deep  !! as for eliminate
      integer(ik), intent(in) :: ld  !! as for eliminate
      real(wp), intent(inout) :: a(ld, n + 4)  !! as for pivot_in
      real(wp), intent(in) :: w(panel, n + 4)  !! as for pivot_in
      real(wp), intent(in) :: v(ld, panel)  !! as for pivot_in
      integer(ik) :: j, i

      if (deep <= p) return  ! no rows below p, perhaps not even in the arrays
      do j = p + 1, n + 1, 2
         do i = 1, k, 8
            call subtract_8x2(deep - p, ld, v(p + 1, i), ld, a(p + 1, j), panel, w(i, j))
         end do
      end do
   end subroutine update_remaining

   pure subroutine renew_norms(n, p, ld, a, norms)
      !! Compute the norms marked stale from the columns' rows below p.
      integer(ik), intent(in) :: n  !! as for eliminate
      integer(ik), intent(in) :: p  !! as for eliminate
      integer(ik), intent(in) :: ld  !! as for eliminate
      real(wp), intent(in) :: a(ld, n + 4)  !! as for pivot_in
      real(wp), intent(inout) :: norms(n + 4, 3)  !! as for pivot_in
      integer(ik) :: j
      columns: do j = p + 1, n
         if (norms(j, 1) > 0 .or. .not. norms(j, 1) < 0) cycle columns
         norms(j, 1) = length(n - p, a(p + 1, j))
         norms(j, 2) = norms(j, 1)
      end do columns
   end subroutine renew_norms

end module minpack_pivot
