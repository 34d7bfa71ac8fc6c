module minpack_enorm
   !! Euclidean norm without harmful over- or underflow.
   use, intrinsic :: iso_c_binding, only: c_double, c_int64_t
   use minpack_dot, only: dot
   use minpack_kinds, only: dwarf, epsmch, ik, is_finite, wp
   implicit none (type, external)
   private
   public :: enorm, sum_safe

   ! A plain sum of squares above this has lost nothing to underflow: a square that vanished was
   ! below `dwarf`, and 2**52 of them are still below the last bit of the sum.
   real(wp), parameter :: sum_safe = dwarf/epsmch**2

contains

   pure function enorm(n, x) result(norm) bind(c, name="lm_enorm")
      !! One vectorised pass; a second, scaled by the largest magnitude, only where the plain sum
      !! of squares over- or underflows. NaN where x has a NaN, +Inf where it has an infinity.
      integer(c_int64_t), intent(in) :: n
      real(c_double), intent(in) :: x(n)
      real(c_double) :: norm
      real(wp) :: largest

      norm = dot(n, x, x)
      if (norm >= sum_safe .and. norm <= huge(norm)) then
         norm = sqrt(norm)
      else if (norm >= 0.0_wp) then  ! not NaN: zero, underflown, overflown, or an infinity in x
         largest = max_magnitude(n, x)
         norm = largest
         if (largest > 0.0_wp .and. is_finite(largest)) norm = scaled(n, x, largest)
      end if
   end function enorm

   pure function max_magnitude(n, x) result(largest)
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: x(n)
      real(wp) :: largest
      integer(ik) :: i

      largest = 0.0_wp
      do i = 1, n
         largest = max(largest, abs(x(i)))
      end do
   end function max_magnitude

   pure function scaled(n, x, scale) result(norm)
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: scale  !! > 0, finite; x(i)/scale does not overflow
      real(wp) :: norm
      integer(ik) :: i

      norm = 0.0_wp
      do i = 1, n
         norm = norm + (x(i)/scale)**2
      end do
      norm = scale*sqrt(norm)
   end function scaled

end module minpack_enorm
