module minpack_qrfac
   !! Householder QR with column pivoting, in place: the classic factor step.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_dot, only: dot, lanes
   use minpack_enorm, only: enorm
   use minpack_kinds, only: epsmch, ik, wp
   implicit none (type, external)
   private
   public :: qrfac, norm_trust

   interface
      pure subroutine reflect_all(rows, columns, lda, v, first, f) &
         bind(c, name="lm_reflect_all")
         !! y := (I - v vᵀ/v_1) y for some columns and f, from `lanes` rows on: linalg/reflect.c.
         import :: c_double, c_int64_t
         implicit none (type, external)
         integer(c_int64_t), intent(in), value :: rows
         integer(c_int64_t), intent(in), value :: columns
         integer(c_int64_t), intent(in), value :: lda
         real(c_double), intent(in) :: v(rows)
         real(c_double), intent(inout) :: first(lda*(columns - 1) + rows)
            !! the first column, others lda apart
         real(c_double), intent(inout) :: f(rows)
      end subroutine reflect_all
   end interface

   real(wp), parameter :: norm_trust = sqrt(epsmch)
      !! A downdated column norm is recomputed once (norm/reference)² sinks to this: by then
      !! cancellation has eaten half its digits (Drmač & Bujanović, ACM TOMS 35 (2008), 12).
      !! MINPACK waits until 20 ε; nearly parallel columns then pivot in the wrong order.

contains

   pure subroutine qrfac(m, n, a, lda, f, ipvt, acnorm, rdiag, reference) &
      bind(c, name="lm_qrfac")
      !! A P = Q R, |R_11| ≥ |R_22| ≥ …, and f := Qᵀ f, for m ≥ n.
      !!
      !! Reflector j is I - v vᵀ/v_1 with v = a/σ + e_1, σ = ±‖a‖ of the sign of a_1: v_1 lies in
      !! [1, 2], so neither v nor the division by v_1 can over- or underflow.
      integer(c_int64_t), intent(in) :: m
      integer(c_int64_t), intent(in) :: n
      integer(c_int64_t), intent(in) :: lda
      real(c_double), intent(inout) :: a(lda, n)
         !! in: A; out: upper triangle R, below its diagonal the tails of the reflectors
      real(c_double), intent(inout) :: f(m)  !! in: f; out: Qᵀ f
      integer(c_int), intent(out) :: ipvt(n)  !! column j of A P is column ipvt(j) of A
      real(c_double), intent(out) :: acnorm(n)  !! ‖A e_j‖, in the order of A
      real(c_double), intent(out) :: rdiag(n)  !! work: norms of what remains of the columns
      real(c_double), intent(out) :: reference(n)
         !! work: each norm when it was last computed afresh
      real(wp) :: sigma, head
      integer(ik) :: j, k, rows

      do j = 1, n
         acnorm(j) = enorm(m, a(:, j))
         ipvt(j) = int(j, c_int)
      end do
      rdiag = acnorm
      reference = acnorm

      eliminate: do j = 1, n
         call pivot(m, n, a, lda, j, ipvt, rdiag, reference)
         rows = m - j + 1
         if (j == 1) then
            sigma = acnorm(ipvt(1))
         else
            sigma = enorm(rows, a(j:, j))  ! afresh: rdiag has been downdated
         end if
         if (.not. sigma > 0.0_wp) then  ! zero column; a NaN was seen in acnorm
            a(j, j) = 0.0_wp
            cycle eliminate
         end if
         if (a(j, j) < 0.0_wp) sigma = -sigma  ! not sign(): -0 is no reason to turn the row
         a(j:m, j) = a(j:m, j)/sigma
         head = a(j, j) + 1.0_wp
         a(j, j) = head
         if (rows < lanes) then
            do k = j + 1, n
               call reflect(rows, a(j:, j), a(j:, k))
            end do
            call reflect(rows, a(j:, j), f(j:))
         else
            call reflect_all(rows, n - j, lda, a(j, j), a(j, min(j + 1, n)), f(j))
         end if
         do k = j + 1, n
            if (rdiag(k) > 0.0_wp) then
               call downdate(rows - 1, a(j, k), a(min(j + 1, m):, k), rdiag(k), reference(k))
            end if
         end do
         a(j, j) = -sigma
      end do eliminate
   end subroutine qrfac

   pure subroutine pivot(m, n, a, lda, j, ipvt, rdiag, reference)
      !! Bring the column with the largest remaining norm to place j.
      integer(ik), intent(in) :: m
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: lda
      real(wp), intent(inout) :: a(lda, n)
      integer(ik), intent(in) :: j
      integer, intent(inout) :: ipvt(n)
      real(wp), intent(inout) :: rdiag(n)
      real(wp), intent(inout) :: reference(n)
      integer(ik) :: i, k, largest
      integer :: column
      real(wp) :: swap

      largest = j
      do k = j + 1, n
         if (rdiag(k) > rdiag(largest)) largest = k
      end do
      if (largest == j) return
      !GCC$ ivdep
      do i = 1, m
         swap = a(i, j)
         a(i, j) = a(i, largest)
         a(i, largest) = swap
      end do
      rdiag(largest) = rdiag(j)
      reference(largest) = reference(j)
      column = ipvt(j)
      ipvt(j) = ipvt(largest)
      ipvt(largest) = column
   end subroutine pivot

   pure subroutine reflect(rows, v, y)
      !! y := (I - v vᵀ/v_1) y.
      integer(ik), intent(in) :: rows
      real(wp), intent(in) :: v(rows)
      real(wp), intent(inout) :: y(rows)
      real(wp) :: share
      integer(ik) :: i

      share = dot(rows, v, y)/v(1)
      do i = 1, rows
         y(i) = y(i) - share*v(i)
      end do
   end subroutine reflect

   pure subroutine downdate(rows, head, tail, norm, reference)
      !! Norm of a column without its first entry, from the norm with it where that is accurate.
      integer(ik), intent(in) :: rows  !! of the tail; 0 after the last row
      real(wp), intent(in) :: head  !! the entry that leaves
      real(wp), intent(in) :: tail(rows)
      real(wp), intent(inout) :: norm
      real(wp), intent(inout) :: reference
      real(wp) :: cosine

      cosine = head/norm
      norm = norm*sqrt(max(0.0_wp, 1.0_wp - cosine**2))
      if ((norm/reference)**2 <= norm_trust) then
         norm = enorm(rows, tail)
         reference = norm
      end if
   end subroutine downdate

end module minpack_qrfac
