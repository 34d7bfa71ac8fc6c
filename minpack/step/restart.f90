module minpack_restart
   !! Whether bounds have led a fit astray, and where to start it again.
   !!
   !! A column of J that has all but vanished next to walls is mostly no property of the minimum: a
   !! peak has gone flat or slipped between two points of the data, a decay is over before the
   !! first. Nothing leads back from there, but the box and the start are still known.
   !!
   !! Of 14640 fits, 87 models from starts within a factor of 9 and of 2 of the truth, in boxes as
   !! users write them, in such as are a hundred times as wide, and within a factor of 3 of the
   !! truth, find the minimum that SciPy's trf or a candidate has found:
   !!
   !!     trf of SciPy 1.17                                                           13682
   !!     a single attempt                                                            13873
   !!     a second one from the start, by small steps                                 13946
   !!     a second one from the end of the first, what is lost in the box's middle    14155
   !!     then one from the start                                                     14163
   !!     and a last from the middle, by small steps: this                            14178
   use minpack_kinds, only: ik, wp
   implicit none (type, external)
   private
   public :: columns_lost, model_size, restart_point

   real(wp), parameter :: lost_share = 1.0e-3_wp
      !! of the largest norm that a column has had, and of what the largest column does to F
   real(wp), parameter :: next_to_wall = 1.0e-2_wp  !! of the way to it from the start
   real(wp), parameter :: another_size = 4.0_wp
      !! A box whose middle is not within this factor of the start says nothing of a variable.

contains

   pure function model_size(n, norms, x, start, fnorm) result(size)
      !! About the norm of what the residuals are differences of: ‖f‖, or what a variable does to it
      !! that goes to 0.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: norms(n)  !! of J's columns
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: fnorm
      real(wp) :: size
      integer(ik) :: k

      size = fnorm
      do k = 1, n
         size = max(size, norms(k)*max(abs(x(k)), abs(start(k))))
      end do
   end function model_size

   pure function columns_lost(n, norms, diag, x, start, lower, upper, size) result(lost)
      !! How many variables have been led to where they do next to nothing.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: norms(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(in) :: size  !! of the model
      integer(ik) :: lost
      integer(ik) :: k

      lost = 0
      do k = 1, n
         if (lower(k) < upper(k) .and. norms(k) <= lost_share*diag(k) &
             .and. norms(k)*max(abs(x(k)), abs(start(k))) <= lost_share*size) lost = lost + 1
      end do
   end function columns_lost

   pure subroutine restart_point(n, norms, diag, x, start, lower, upper, x_trial)
      !! Where a fit has ended, but with what it has lost, or left at walls, somewhere else.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: norms(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(out) :: x_trial(n)
      integer(ik) :: k
      logical :: kept

      do k = 1, n
         kept = norms(k) > lost_share*diag(k) &
                .and. x(k) - lower(k) > next_to_wall*(start(k) - lower(k)) &
                .and. upper(k) - x(k) > next_to_wall*(upper(k) - start(k))
         x_trial(k) = merge(x(k), elsewhere(x(k), start(k), lower(k), upper(k)), kept)
      end do
   end subroutine restart_point

   elemental function elsewhere(x, start, lower, upper) result(there)
      !! The middle of the box, or, where that is far from the start and may be infinite, another
      !! size than the start has, away from x.
      real(wp), intent(in) :: x
      real(wp), intent(in) :: start
      real(wp), intent(in) :: lower
      real(wp), intent(in) :: upper
      real(wp) :: there

      there = 0.5_wp*lower + 0.5_wp*upper
      if (.not. abs(there) <= another_size*abs(start)) then
         if (abs(x) > abs(start)) then
            there = start/another_size
         else
            there = another_size*start
         end if
      end if
      if (.not. (there > lower .and. there < upper)) there = start
   end function elsewhere

end module minpack_restart
