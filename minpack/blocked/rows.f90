module minpack_rows
   !! A running triangular factor of [J f] that takes J in blocks of rows: J is read once, never
   !! written, and never whole in memory; the R of stacked Rs is the R of the whole (Golub & Van
   !! Loan, Matrix Computations, 4th ed., 5.1.9 and 6.5; TSQR of Demmel et al. 2012 as a flat tree).
   !! Two running factors of different rows, from two threads or machines, merge into one.
   !!
   !! It is an array r of leading(n) x padded(n) numbers, R in its first n columns and Qᵀ f in
   !! column n+1, followed by the scale of each column and the number of rows of r in use.
   use minpack_kinds, only: wp, ik
   use minpack_kernels, only: squares, squares_4
   use minpack_pack, only: pack
   use minpack_sizes, only: block_rows, leading, padded
   use minpack_scales, only: small, large, scale_for, rescale, is_plain
   use minpack_stacked, only: stacked_qr
   implicit none (type, external)
   private
   public :: rows_add, rows_merge, rows_finish

contains

   pure subroutine rows_add(m, n, a, row_stride, column_stride, f, running, work, finite) &
      bind(c, name="blocked_rows_add")
      !! Add m rows of [J f] to the running factor.
      integer(ik), intent(in), value :: m  !! rows of J
      integer(ik), intent(in), value :: n  !! columns of J
      real(wp), intent(in) :: a(*)  !! J; a(1) is its first element
      integer(ik), intent(in), value :: row_stride  !! from row to row of J, in numbers
      integer(ik), intent(in), value :: column_stride  !! from column to column, in numbers
      real(wp), intent(in) :: f(m)  !! residuals of these rows
      real(wp), intent(inout) :: running(*)
         !! running factor: running_size(n) numbers, all zero to start with
      real(wp), intent(inout) :: work(*)  !! one block: rows_size(n) numbers
      integer(ik), intent(out) :: finite
         !! 1; 0 where J or f holds NaN or infinity: then the running factor is of no use
      integer(ik) :: first, rows, columns, scales, filled

      columns = padded(n)
      scales = leading(n)*columns + 1
      filled = int(running(scales + columns), ik)
      work((n + 1)*block_rows + 1:columns*block_rows) = 0
      do first = 1, m, block_rows
         rows = min(block_rows, m - first + 1)
         call pack(rows, n, a(1 + (first - 1)*row_stride), row_stride, column_stride, &
                   block_rows, work)
         work(n*block_rows + 1:n*block_rows + rows) = f(first:first + rows - 1)
         call settle_scales(rows, n + 1, block_rows, work, leading(n), running, running(scales), &
                            finite)
         if (finite == 0) return
         call stacked_qr(rows, n, (n + 4)/4*4, leading(n), running, block_rows, work, .false., &
                     filled)
         running(scales + columns) = real(filled, wp)
      end do
      finite = 1
   end subroutine rows_add

   pure subroutine settle_scales(rows, columns, ldb, b, ldr, r, scales, finite)
      !! Scale the columns of a block as those of R are, or R and the block down where the block's
      !! numbers are of a larger kind than all before.
      integer(ik), intent(in) :: rows  !! rows of b
      integer(ik), intent(in) :: columns  !! columns of b
      integer(ik), intent(in) :: ldb  !! leading dimension of b
      integer(ik), intent(in) :: ldr  !! leading dimension of r
      real(wp), intent(inout) :: b(ldb, *)  !! block of rows
      real(wp), intent(inout) :: r(ldr, *)  !! running R
      real(wp), intent(inout) :: scales(*)  !! scale of each column; 0: nothing but zeros so far
      integer(ik), intent(out) :: finite  !! 0 where b holds NaN or infinity
      real(wp) :: totals(4), next
      integer(ik) :: j, k

      finite = 0
      settle: do j = 1, columns
         k = mod(j - 1, 4_ik) + 1
         if (k == 1) call squares_4(rows, ldb, b(1, j), totals)
         if (totals(k) <= large) then
            if (totals(k) >= small .and. .not. scales(j) > 0) scales(j) = 1
            if (is_plain(scales(j))) cycle settle
         end if
         if (.not. all(abs(b(1:rows, j)) <= huge(next))) return
         next = scale_for(maxval(abs(b(1:rows, j))))
         if (.not. next > 0) cycle settle
         if (scales(j) > 0) next = min(next, scales(j))
         call rescale(ldr, r(1, j), scales(j), next)
         b(1:rows, j) = b(1:rows, j)*next
      end do settle
      finite = 1
   end subroutine settle_scales

   pure subroutine rows_merge(n, running, other) bind(c, name="blocked_rows_merge")
      !! Merge the running factor of other rows into this one.
      integer(ik), intent(in), value :: n  !! columns of J
      real(wp), intent(inout) :: running(*)  !! running factor
      real(wp), intent(inout) :: other(*)  !! another of the same n; used up
      integer(ik) :: ld, columns, scales, filled, j, s
      real(wp) :: next

      ld = leading(n)
      columns = padded(n)
      scales = ld*columns
      do j = 1, n + 1
         s = scales + j
         next = min(running(s), other(s))
         if (.not. next > 0) next = max(running(s), other(s))
         call rescale(ld, running((j - 1)*ld + 1), running(s), next)
         call rescale(ld, other((j - 1)*ld + 1), other(s), next)
      end do
      filled = n
      call stacked_qr(n, n, (n + 4)/4*4, ld, running, ld, other, .true., filled)
      running(scales + columns + 1) = real(filled, wp)
   end subroutine rows_merge

   pure subroutine rows_finish(n, running, r, qtf, acnorm) bind(c, name="blocked_rows_finish")
      !! R, Qᵀ f and the norms of J's columns out of the running factor. An R whose numbers
      !! exceed the range comes out infinite, as from any factorisation.
      integer(ik), intent(in), value :: n  !! columns of J
      real(wp), intent(in) :: running(*)  !! running factor
      real(wp), intent(out) :: r(n, n)  !! upper triangular factor, zeros below
      real(wp), intent(out) :: qtf(n)  !! first n of Qᵀ f
      real(wp), intent(out) :: acnorm(n)  !! norms of the columns of J
      integer(ik) :: ld, j, s
      real(wp) :: unscale

      ld = leading(n)
      do j = 1, n + 1
         s = (j - 1)*ld
         unscale = running(ld*padded(n) + j)
         if (unscale > 0) unscale = 1/unscale
         if (j > n) then
            qtf = running(s + 1:s + n)*unscale
         else
            acnorm(j) = sqrt(squares(j, running(s + 1)))*unscale
            r(1:j, j) = running(s + 1:s + j)*unscale
            r(j + 1:, j) = 0
         end if
      end do
   end subroutine rows_finish

end module minpack_rows
