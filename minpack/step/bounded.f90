module minpack_bounded
   !! A fit on its bounds: it starts beside them, and lands on those that hold it.
   use minpack_kinds, only: ik, wp
   use minpack_dot, only: dot
   use minpack_qrsolv, only: solve_without
   use minpack_triangular, only: times_upper
   implicit none (type, external)
   private
   public :: first_point, gap, held, landing_point, nearest

   real(wp), parameter :: nearest = 1.0e-10_wp  !! of ‖D x‖: closer to a wall only to land
   real(wp), parameter :: first_gap = 1.0e-3_wp
      !! of a bound, of 1 where it is 0, or of the box: how far from it a fit starts that was to
      !! start on it
   ! What may lie between x and a wall to land on: of the variable's size, and of ‖f‖.
   real(wp), parameter :: near_wall = 1.0e-2_wp
   real(wp), parameter :: next_to_wall = 1.0e-4_wp

contains

   pure subroutine first_point(n, x, lower, upper) bind(c, name="lm_first_point")
      !! Move a start on a bound inside: what stands on a wall cannot tell how steep it is there.
      integer(ik), intent(in), value :: n
      real(wp), intent(inout) :: x(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp) :: width
      integer(ik) :: k

      do k = 1, n
         width = upper(k) - lower(k)
         if (x(k) <= lower(k)) then
            x(k) = lower(k) + first_gap*min(size_of(lower(k)), width)
         else if (x(k) >= upper(k)) then
            x(k) = upper(k) - first_gap*min(size_of(upper(k)), width)
         end if
      end do
   end subroutine first_point

   elemental function size_of(bound) result(size)
      real(wp), intent(in) :: bound
      real(wp) :: size

      size = merge(abs(bound), 1.0_wp, abs(bound) > 0.0_wp)
   end function size_of

   elemental function held(x, lower, upper, slope) result(yes)
      !! Whether a variable rests on a bound that the sum of squares pushes it against.
      real(wp), intent(in) :: x
      real(wp), intent(in) :: lower
      real(wp), intent(in) :: upper
      real(wp), intent(in) :: slope  !! of the sum of squares along the variable, any positive scale
      logical :: yes

      yes = (x <= lower .and. slope >= 0.0_wp) .or. (x >= upper .and. slope <= 0.0_wp) &
            .or. .not. lower < upper
   end function held

   elemental function gap(x, lower, upper, way) result(d)
      !! How far it is to the wall that lies in the direction of `way`.
      real(wp), intent(in) :: x
      real(wp), intent(in) :: lower
      real(wp), intent(in) :: upper
      real(wp), intent(in) :: way
      real(wp) :: d

      d = merge(x - lower, upper - x, way < 0.0_wp)
   end function gap

   pure subroutine landing_point(n, r, ldr, ipvt, qtf, norms, p, fnorm, x, start, lower, upper, &
                                 model_size, xtol, walls_met, work1, work2, work3, work4, z, &
                                 x_trial)
      !! The end of a fit, but on the walls next to it from which no descent leads away.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(inout) :: r(ldr, n)  !! strict lower triangle: work
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: qtf(n)
      real(wp), intent(in) :: norms(n)  !! of J's columns
      real(wp), intent(in) :: p(n)  !! from where R belongs to x
      real(wp), intent(in) :: fnorm
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(in) :: model_size  !! about the norm of what F is a difference of
      real(wp), intent(in) :: xtol
      logical, intent(in) :: walls_met
      real(wp), intent(out) :: work1(n)
      real(wp), intent(out) :: work2(n)
      real(wp), intent(out) :: work3(n)
      real(wp), intent(out) :: work4(n)
      real(wp), intent(out) :: z(n)  !! work
      real(wp), intent(out) :: x_trial(n)
      real(wp) :: slope, room, wall, size
      integer(ik) :: j, k
      logical :: near, lands

      near = .false.
      lands = .false.
      do k = 1, n
         x_trial(k) = x(k)
         size = max(abs(x(k)), abs(start(k)))
         wall = merge(lower(k), upper(k), x(k) - lower(k) < upper(k) - x(k))
         room = abs(x(k) - wall)
         ! x is as good as on it. Far from it, what F does not depend on at all stays: no descent
         ! has led it anywhere.
         if (room <= xtol*size .or. (walls_met .and. norms(k)*room <= nearest*model_size &
                                     .and. (norms(k) > 0.0_wp .or. room <= near_wall*size))) then
            x_trial(k) = wall
            if (room > 0.0_wp) lands = .true.
         else if (walls_met .and. room <= near_wall*size) then
            near = .true.
         end if
      end do
      if (.not. (near .or. lands)) return

      call times_upper(n, r, ldr, ipvt, p, work1)
      work1 = qtf + work1
      variables: do j = 1, n
         k = int(ipvt(j), ik)
         if (.not. near .or. abs(x_trial(k) - x(k)) > 0.0_wp) cycle variables
         slope = dot(j, r(:, j), work1)
         if (.not. abs(slope) > 0.0_wp) cycle variables
         room = gap(x(k), lower(k), upper(k), -slope)
         ! The minimum along the variable lies beyond the wall.
         if (room <= near_wall*max(abs(x(k)), abs(start(k))) &
             .and. norms(k)*room <= min(next_to_wall*fnorm, abs(slope)/norms(k))) then
            x_trial(k) = merge(lower(k), upper(k), slope > 0.0_wp)
            if (room > 0.0_wp) lands = .true.
         end if
      end do variables
      if (.not. lands) return

      ! With it goes the Gauss–Newton step of the others: where F is 0 on the wall it is not beside
      ! it, and what has been fitted there would be in the way.
      z = x_trial - x
      call times_upper(n, r, ldr, ipvt, z, work2)
      work1 = -work1 - work2
      work2 = merge(0.0_wp, 1.0_wp, x_trial > lower .and. x_trial < upper)
      call solve_without(n, r, ldr, ipvt, work2, 1.0_wp, work1, z, work3, work4)
      if (all(abs(z) <= near_wall*max(abs(x), abs(start)) .and. &
              (.not. abs(z) > 0.0_wp .or. (x_trial + z > lower .and. x_trial + z < upper)))) then
         x_trial = x_trial + z
      end if
   end subroutine landing_point

end module minpack_bounded
