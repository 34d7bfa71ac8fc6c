module minpack_scales
   !! Scales of columns: one of three powers of two that keep squares in range, exact to apply and
   !! to undo (Blue 1978, ACM TOMS 4, 15, for norms).
   use minpack_kinds, only: wp, ik
   implicit none (type, external)
   private
   public :: scale_for, rescale, is_plain

   real(wp), parameter, public :: small = 2.0_wp**(-300), large = 2.0_wp**400
      !! a column whose largest number is between them is taken as it is

contains

   elemental function scale_for(largest) result(scale)
      !! Scale of a column by its largest magnitude.
      real(wp), intent(in) :: largest  !! largest magnitude, finite
      real(wp) :: scale  !! power of two, 0 for a column of zeros
      if (largest > large) then
         scale = 2.0_wp**(-600)
      else if (largest >= small) then
         scale = 1
      else if (largest > 0) then
         scale = 2.0_wp**700
      else
         scale = 0
      end if
   end function scale_for

   elemental function is_plain(scale) result(plain)
      !! Whether a scale is one.
      real(wp), intent(in) :: scale  !! one of scale_for's results
      logical :: plain
      plain = abs(scale - 1) < 0.5_wp
   end function is_plain

   pure subroutine rescale(rows, column, scale, next)
      !! Bring a column to a smaller scale. What underflows is nothing beside the numbers that
      !! asked for it.
      integer(ik), intent(in) :: rows  !! length of the column
      real(wp), intent(inout) :: column(rows)  !! column, scaled
      real(wp), intent(inout) :: scale  !! scale it has, 0 for none yet
      real(wp), intent(in) :: next  !! scale it gets
      if (scale > next) column = column/scale*next
      scale = next
   end subroutine rescale

end module minpack_scales
