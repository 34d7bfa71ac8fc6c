module minpack_dot
   !! Inner product in partial sums: the sums are independent, so the compiler may keep them in
   !! vector registers without being allowed to reorder arithmetic (-ffast-math) anywhere else.
   use minpack_kinds, only: ik, wp
   implicit none (type, external)
   private
   public :: dot

   integer(ik), parameter :: lanes = 8
      !! Partial sums: two to four vector registers hide the latency of an addition.

contains

   pure function dot(n, x, y) result(total)
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: y(n)
      real(wp) :: total
      real(wp) :: partial(lanes)
      integer(ik) :: i, k, rest

      total = 0.0_wp
      rest = iand(n, lanes - 1)
      !GCC$ novector
      do i = 1, rest  ! at most seven: set-up for vectors would cost more
         total = total + x(i)*y(i)
      end do
      if (n < lanes) return
      partial = 0.0_wp
      do i = rest + 1, n, lanes
         !GCC$ unroll 8
         do k = 1, lanes
            partial(k) = partial(k) + x(i + k - 1)*y(i + k - 1)
         end do
      end do
      total = total + (((partial(1) + partial(5)) + (partial(3) + partial(7))) &
                       + ((partial(2) + partial(6)) + (partial(4) + partial(8))))
   end function dot

end module minpack_dot
