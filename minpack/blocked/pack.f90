module minpack_pack
   !! Copy of a block of rows, in whatever order its owner keeps it, to columns.
   use minpack_kinds, only: wp, ik
   implicit none (type, external)
   private
   public :: pack

contains

   pure subroutine pack(rows, n, a, row_stride, column_stride, ldb, b)
      !! b(i, j) = a(1 + (i-1)*row_stride + (j-1)*column_stride).
      integer(ik), intent(in) :: rows  !! rows of the block
      integer(ik), intent(in) :: n  !! columns of the block
      real(wp), intent(in) :: a(*)  !! block; a(1) is its first element
      integer(ik), intent(in) :: row_stride  !! from row to row of a, in numbers
      integer(ik), intent(in) :: column_stride  !! from column to column, in numbers
      integer(ik), intent(in) :: ldb  !! leading dimension of b
      real(wp), intent(inout) :: b(ldb, *)  !! copy by columns
      integer(ik) :: i, j, whole

      if (row_stride == 1) then
         do j = 1, n
            b(1:rows, j) = a(1 + (j - 1)*column_stride:rows + (j - 1)*column_stride)
         end do
         return
      end if
      ! Eight rows at a time: eight streams to read, and each cache line of b is written whole.
      whole = rows/8*8
      do i = 1, whole, 8
         call pack_eight(n, a(1 + (i - 1)*row_stride), row_stride, column_stride, ldb, b(i, 1))
      end do
      do j = 1, n
         do i = whole + 1, rows
            b(i, j) = a(1 + (i - 1)*row_stride + (j - 1)*column_stride)
         end do
      end do
   end subroutine pack

   pure subroutine pack_eight(n, a, row_stride, column_stride, ldb, b)
      !! Eight rows.
      integer(ik), intent(in) :: n  !! columns
      real(wp), intent(in) :: a(*)  !! eight rows
      integer(ik), intent(in) :: row_stride  !! as for pack
      integer(ik), intent(in) :: column_stride  !! as for pack
      integer(ik), intent(in) :: ldb  !! as for pack
      real(wp), intent(inout) :: b(ldb, *)  !! copy by columns
      integer(ik) :: j, s

      s = 1
      do j = 1, n
         b(1, j) = a(s)
         b(2, j) = a(s + row_stride)
         b(3, j) = a(s + 2*row_stride)
         b(4, j) = a(s + 3*row_stride)
         b(5, j) = a(s + 4*row_stride)
         b(6, j) = a(s + 5*row_stride)
         b(7, j) = a(s + 6*row_stride)
         b(8, j) = a(s + 7*row_stride)
         s = s + column_stride
      end do
   end subroutine pack_eight

end module minpack_pack
