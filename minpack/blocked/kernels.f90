module minpack_kernels
   !! Loops of the blocked factorisations that do all the arithmetic: inner products of columns and
   !! updates by several columns at once. Every array is stored by columns, every loop runs down
   !! the rows, so the compiler vectorises it; `omp simd reduction` lets it split the sums into
   !! lanes, which the standard's left-to-right rule forbids and -ffast-math is too blunt for.
   !! Sixteen sums (4 x 4 columns) fit the registers of AVX-512 and keep two multiply-adds in
   !! flight a load.
   use minpack_kinds, only: wp, ik
   implicit none (type, external)
   private
   public :: inner_4x4, inner_4x1, subtract_8x2, subtract_4x4, subtract_1x1, &
             advance_4, squares, squares_4

contains

   pure subroutine inner_4x4(rows, ldv, v, ldc, c, w)
      !! w(1:4, 1:4) = transpose(v) c.
      integer(ik), intent(in) :: rows  !! length of the columns
      integer(ik), intent(in) :: ldv  !! leading dimension of v
      integer(ik), intent(in) :: ldc  !! leading dimension of c
      real(wp), intent(in) :: v(ldv, 4)  !! left columns
      real(wp), intent(in) :: c(ldc, 4)  !! right columns
      real(wp), intent(inout) :: w(8, *)  !! upper or lower half of an 8 x 4 array
      real(wp) :: s11, s21, s31, s41, s12, s22, s32, s42
      real(wp) :: s13, s23, s33, s43, s14, s24, s34, s44
      integer(ik) :: i

      s11 = 0; s21 = 0; s31 = 0; s41 = 0; s12 = 0; s22 = 0; s32 = 0; s42 = 0
      s13 = 0; s23 = 0; s33 = 0; s43 = 0; s14 = 0; s24 = 0; s34 = 0; s44 = 0
      !$omp simd reduction(+: s11, s21, s31, s41, s12, s22, s32, s42) &
      !$omp reduction(+: s13, s23, s33, s43, s14, s24, s34, s44)
      do i = 1, rows
         s11 = s11 + v(i, 1)*c(i, 1)
         s21 = s21 + v(i, 2)*c(i, 1)
         s31 = s31 + v(i, 3)*c(i, 1)
         s41 = s41 + v(i, 4)*c(i, 1)
         s12 = s12 + v(i, 1)*c(i, 2)
         s22 = s22 + v(i, 2)*c(i, 2)
         s32 = s32 + v(i, 3)*c(i, 2)
         s42 = s42 + v(i, 4)*c(i, 2)
         s13 = s13 + v(i, 1)*c(i, 3)
         s23 = s23 + v(i, 2)*c(i, 3)
         s33 = s33 + v(i, 3)*c(i, 3)
         s43 = s43 + v(i, 4)*c(i, 3)
         s14 = s14 + v(i, 1)*c(i, 4)
         s24 = s24 + v(i, 2)*c(i, 4)
         s34 = s34 + v(i, 3)*c(i, 4)
         s44 = s44 + v(i, 4)*c(i, 4)
      end do
      w(1, 1) = s11; w(2, 1) = s21; w(3, 1) = s31; w(4, 1) = s41
      w(1, 2) = s12; w(2, 2) = s22; w(3, 2) = s32; w(4, 2) = s42
      w(1, 3) = s13; w(2, 3) = s23; w(3, 3) = s33; w(4, 3) = s43
      w(1, 4) = s14; w(2, 4) = s24; w(3, 4) = s34; w(4, 4) = s44
   end subroutine inner_4x4

   pure subroutine inner_4x1(rows, ldv, v, x, g)
      !! g(1:4) = transpose(v) x.
      integer(ik), intent(in) :: rows  !! length of the columns
      integer(ik), intent(in) :: ldv  !! leading dimension of v
      real(wp), intent(in) :: v(ldv, 4)  !! four columns
      real(wp), intent(in) :: x(rows)  !! one column, possibly one of the four
      real(wp), intent(out) :: g(4)  !! the inner products
      real(wp) :: s1, s2, s3, s4
      integer(ik) :: i

      s1 = 0; s2 = 0; s3 = 0; s4 = 0
      !$omp simd reduction(+: s1, s2, s3, s4)
      do i = 1, rows
         s1 = s1 + v(i, 1)*x(i)
         s2 = s2 + v(i, 2)*x(i)
         s3 = s3 + v(i, 3)*x(i)
         s4 = s4 + v(i, 4)*x(i)
      end do
      g = [s1, s2, s3, s4]
   end subroutine inner_4x1

   pure subroutine subtract_8x2(rows, ldv, v, ldc, c, ldw, w)
      !! c = c - v w for eight columns v and two columns c.
      integer(ik), intent(in) :: rows  !! length of the columns
      integer(ik), intent(in) :: ldv  !! leading dimension of v
      integer(ik), intent(in) :: ldc  !! leading dimension of c
      real(wp), intent(in) :: v(ldv, 8)  !! reflector columns
      real(wp), intent(inout) :: c(ldc, 2)  !! columns to update
      integer(ik), intent(in) :: ldw  !! leading dimension of w
      real(wp), intent(in) :: w(ldw, 2)  !! multipliers, eight rows
      integer(ik) :: i

      !$omp simd
      do i = 1, rows
         c(i, 1) = c(i, 1) - v(i, 1)*w(1, 1) - v(i, 2)*w(2, 1) - v(i, 3)*w(3, 1) &
                   - v(i, 4)*w(4, 1) - v(i, 5)*w(5, 1) - v(i, 6)*w(6, 1) &
                   - v(i, 7)*w(7, 1) - v(i, 8)*w(8, 1)
         c(i, 2) = c(i, 2) - v(i, 1)*w(1, 2) - v(i, 2)*w(2, 2) - v(i, 3)*w(3, 2) &
                   - v(i, 4)*w(4, 2) - v(i, 5)*w(5, 2) - v(i, 6)*w(6, 2) &
                   - v(i, 7)*w(7, 2) - v(i, 8)*w(8, 2)
      end do
   end subroutine subtract_8x2

   pure subroutine subtract_4x4(rows, ldv, v, ldc, c, w)
      !! c = c - v w for four columns v and four columns c.
      integer(ik), intent(in) :: rows  !! length of the columns
      integer(ik), intent(in) :: ldv  !! leading dimension of v
      integer(ik), intent(in) :: ldc  !! leading dimension of c
      real(wp), intent(in) :: v(ldv, 4)  !! reflector columns
      real(wp), intent(inout) :: c(ldc, 4)  !! columns to update
      real(wp), intent(in) :: w(8, *)  !! multipliers: half of an 8 x 4 array
      integer(ik) :: i

      !$omp simd
      do i = 1, rows
         c(i, 1) = c(i, 1) - v(i, 1)*w(1, 1) - v(i, 2)*w(2, 1) - v(i, 3)*w(3, 1) - v(i, 4)*w(4, 1)
         c(i, 2) = c(i, 2) - v(i, 1)*w(1, 2) - v(i, 2)*w(2, 2) - v(i, 3)*w(3, 2) - v(i, 4)*w(4, 2)
         c(i, 3) = c(i, 3) - v(i, 1)*w(1, 3) - v(i, 2)*w(2, 3) - v(i, 3)*w(3, 3) - v(i, 4)*w(4, 3)
         c(i, 4) = c(i, 4) - v(i, 1)*w(1, 4) - v(i, 2)*w(2, 4) - v(i, 3)*w(3, 4) - v(i, 4)*w(4, 4)
      end do
   end subroutine subtract_4x4

   pure subroutine advance_4(rows, ldc, c, k, z, g)
      !! Subtract z(j) times column k from each later column j of four, and take the products of
      !! the new column k+1 with all four: in one pass, for the panel's columns are too few to hide
      !! the loads. Written out for each k: with k as a subscript the compiler gathers.
      integer(ik), intent(in) :: rows  !! length of the columns
      integer(ik), intent(in) :: ldc  !! leading dimension of c
      real(wp), intent(inout) :: c(ldc, 4)  !! columns
      integer(ik), intent(in) :: k  !! column subtracted: 1, 2 or 3
      real(wp), intent(in) :: z(4)  !! multipliers
      real(wp), intent(out) :: g(4)  !! inner products
      real(wp) :: s1, s2, s3, s4, y, a3, a4
      integer(ik) :: i

      s1 = 0; s2 = 0; s3 = 0; s4 = 0
      select case (k)
      case (1)
         !$omp simd reduction(+: s1, s2, s3, s4) private(y, a3, a4)
         do i = 1, rows
            y = c(i, 2) - c(i, 1)*z(2)
            a3 = c(i, 3) - c(i, 1)*z(3)
            a4 = c(i, 4) - c(i, 1)*z(4)
            c(i, 2) = y
            c(i, 3) = a3
            c(i, 4) = a4
            s1 = s1 + c(i, 1)*y
            s2 = s2 + y*y
            s3 = s3 + a3*y
            s4 = s4 + a4*y
         end do
      case (2)
         !$omp simd reduction(+: s1, s2, s3, s4) private(y, a4)
         do i = 1, rows
            y = c(i, 3) - c(i, 2)*z(3)
            a4 = c(i, 4) - c(i, 2)*z(4)
            c(i, 3) = y
            c(i, 4) = a4
            s1 = s1 + c(i, 1)*y
            s2 = s2 + c(i, 2)*y
            s3 = s3 + y*y
            s4 = s4 + a4*y
         end do
      case default
         !$omp simd reduction(+: s1, s2, s3, s4) private(y)
         do i = 1, rows
            y = c(i, 4) - c(i, 3)*z(4)
            c(i, 4) = y
            s1 = s1 + c(i, 1)*y
            s2 = s2 + c(i, 2)*y
            s3 = s3 + c(i, 3)*y
            s4 = s4 + y*y
         end do
      end select
      g = [s1, s2, s3, s4]
   end subroutine advance_4

   pure subroutine subtract_1x1(rows, v, c, w)
      !! c = c - v w for one column each.
      integer(ik), intent(in) :: rows  !! length of the columns
      real(wp), intent(in) :: v(rows)  !! reflector column
      real(wp), intent(inout) :: c(rows)  !! column to update
      real(wp), intent(in) :: w  !! multiplier
      integer(ik) :: i

      !$omp simd
      do i = 1, rows
         c(i) = c(i) - v(i)*w
      end do
   end subroutine subtract_1x1

   pure function squares(rows, x) result(total)
      !! Sum of squares; overflow, underflow and NaN are the caller's to see in the result.
      integer(ik), intent(in) :: rows  !! length of the column
      real(wp), intent(in) :: x(rows)  !! column
      real(wp) :: total  !! sum of x(i)**2
      integer(ik) :: i

      total = 0
      !$omp simd reduction(+: total)
      do i = 1, rows
         total = total + x(i)*x(i)
      end do
   end function squares

   pure subroutine squares_4(rows, ldc, c, totals)
      !! Sums of squares of four columns at once: one sum alone waits for its own additions.
      integer(ik), intent(in) :: rows  !! length of the columns
      integer(ik), intent(in) :: ldc  !! leading dimension of c
      real(wp), intent(in) :: c(ldc, 4)  !! columns
      real(wp), intent(out) :: totals(4)  !! sums of c(i, j)**2
      real(wp) :: s1, s2, s3, s4
      integer(ik) :: i

      s1 = 0; s2 = 0; s3 = 0; s4 = 0
      !$omp simd reduction(+: s1, s2, s3, s4)
      do i = 1, rows
         s1 = s1 + c(i, 1)**2
         s2 = s2 + c(i, 2)**2
         s3 = s3 + c(i, 3)**2
         s4 = s4 + c(i, 4)**2
      end do
      totals = [s1, s2, s3, s4]
   end subroutine squares_4

end module minpack_kernels
