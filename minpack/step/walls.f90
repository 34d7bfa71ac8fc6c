module minpack_walls
   !! Which walls interfere with a step, and how far the variables may go.
   !!
   !! `walls` is kept from step to step, 0 at first: -1 for a lower wall that interferes, 1 for an
   !! upper one, twice that where the variable is held, out of the solve. A wall is forgotten once
   !! it would no longer be met.
   use minpack_bounded, only: nearest
   use minpack_kinds, only: epsmch, ik, wp
   implicit none (type, external)
   private
   public :: confine, held_wall, leaves, let_go, meet, overlong, raised_to, survey

   ! Of the way to a wall, at first, once it is remembered, and in the end.
   real(wp), parameter :: first_reach = 0.5_wp
   real(wp), parameter :: least_reach = 0.7_wp
   real(wp), parameter :: largest_reach = 0.9999_wp
   real(wp), parameter :: overlong = 1.1_wp  !! lmpar's steps are up to a tenth longer than delta
   real(wp), parameter :: held_wall = 2.0_wp
   ! What may lie between x and the wall of a held variable: of the variable's size, and of ‖f‖. It
   ! is the first that counts: along a column that has vanished F is flat, all the way to a wall.
   real(wp), parameter :: held_gap = 3.0e-3_wp
   real(wp), parameter :: held_share = 0.3_wp
   ! What may lie there while the linear model is sound: it has been right about ‖f‖, and no column
   ! is on its way to vanish, as those of a peak are next to an amplitude of 0. Without the second
   ! condition 15 of the 10000 fits were lost.
   real(wp), parameter :: sound_gap = 0.3_wp
   real(wp), parameter :: sound_norm = 0.6_wp  !! of D: what a column has kept

contains

   pure function leaves(n, x_trial, p, lower, upper) result(yes)
      !! Whether a variable that moves does not end strictly inside.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: x_trial(n)
      real(wp), intent(in) :: p(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      logical :: yes
      integer(ik) :: k

      yes = .true.
      do k = 1, n
         if (.not. (x_trial(k) > lower(k) .and. x_trial(k) < upper(k)) &
             .and. abs(p(k)) > 0.0_wp) return
      end do
      yes = .false.
   end function leaves

   pure subroutine survey(n, diag, norms, cosines, fnorm, x, start, lower, upper, longest, &
                          walls, sound, reach, room, raised, holding)
      !! Forget the walls that descent leads away from; hold what is all but on its wall.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: norms(n)
      real(wp), intent(in) :: cosines(n)
      real(wp), intent(in) :: fnorm
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(in) :: longest
      real(wp), intent(inout) :: walls(n)
      logical, intent(inout) :: sound  !! whether the linear model may be relied on
      real(wp), intent(out) :: reach(n)  !! which part of the way to a wall the variables may go
      real(wp), intent(out) :: room(n)  !! and how far, where walls are known
      integer(ik), intent(out) :: raised  !! how many walls there are
      integer(ik), intent(out) :: holding  !! and held variables
      real(wp) :: cosine, length, way, size, rest
      integer(ik) :: k

      rest = 1.0_wp
      do k = 1, n
         if (lower(k) < upper(k)) then
            if (cosines(k)*walls(k) >= 0.0_wp) walls(k) = 0.0_wp
            cosine = abs(cosines(k))
            length = merge(x(k) - lower(k), upper(k) - x(k), cosines(k) > 0.0_wp)
            way = length*(norms(k)/fnorm)
            if (abs(walls(k)) > 0.0_wp) then
               size = max(abs(x(k)), abs(start(k)))
               walls(k) = sign(1.0_wp, walls(k))
               if (length <= held_gap*size .and. way <= min(cosine, held_share)) then
                  walls(k) = sign(held_wall, walls(k))
               end if
            end if
            rest = min(rest, 1.0_wp - cosine*min(1.0_wp, way))
            if (norms(k) < sound_norm*diag(k)) sound = .false.
         else if (abs(walls(k)) > 0.0_wp) then
            walls(k) = sign(held_wall, walls(k))
         end if
      end do

      ! `rest` is one less the largest share of ‖f‖ that a variable has still to give away, to first
      ! order, on its way to its wall or to the minimum along it, whichever is nearer.
      raised = 0
      holding = 0
      do k = 1, n
         reach(k) = min(max(first_reach, rest), largest_reach)
         if (abs(walls(k)) > 0.0_wp) then
            reach(k) = min(max(least_reach, rest), largest_reach)
            length = merge(x(k) - lower(k), upper(k) - x(k), walls(k) < 0.0_wp)
            if (sound) then
               if (length <= sound_gap*max(abs(x(k)), abs(start(k)))) then
                  walls(k) = sign(held_wall, walls(k))
               end if
               if (abs(walls(k)) >= held_wall) reach(k) = largest_reach
            end if
            if (abs(walls(k)) >= held_wall) then
               holding = holding + 1
            else
               raised = raised + 1
            end if
            room(k) = farthest(length, diag(k), longest, reach(k))
         end if
      end do
   end subroutine survey

   pure subroutine meet(n, diag, x, start, lower, upper, longest, free, sound, delta, p, walls, &
                        reach, room, d, raised, holding, inside)
      !! Raise D for the variables that go too far, or hold them.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(in) :: longest
      logical, intent(in) :: free  !! whether p is the step without walls
      logical, intent(in) :: sound
      real(wp), intent(in) :: delta
      real(wp), intent(in) :: p(n)
      real(wp), intent(inout) :: walls(n)
      real(wp), intent(inout) :: reach(n)
      real(wp), intent(inout) :: room(n)
      real(wp), intent(inout) :: d(n)
      integer(ik), intent(inout) :: raised
      integer(ik), intent(inout) :: holding
      logical, intent(out) :: inside
      real(wp) :: gap, most
      integer(ik) :: k

      inside = .true.
      do k = 1, n
         gap = merge(x(k) - lower(k), upper(k) - x(k), p(k) < 0.0_wp)
         if (free .and. abs(p(k)) > gap) then  ! p/(p + gap): where it would lead in terms of 1/gap
            reach(k) = min(max(reach(k), abs(p(k))/(abs(p(k)) + gap)), largest_reach)
         end if
         most = farthest(gap, diag(k), longest, reach(k))
         if (abs(p(k)) > overlong*most) then
            inside = .false.
            if (abs(walls(k)) > 0.0_wp) raised = raised - 1
            room(k) = most
            if (sound .and. most <= sound_gap*max(abs(x(k)), abs(start(k)))) then
               holding = holding + 1
               walls(k) = sign(held_wall, p(k))
               d(k) = diag(k)/epsmch
            else
               raised = raised + 1
               walls(k) = sign(1.0_wp, p(k))
               d(k) = max(d(k), raised_to(diag(k), delta, most))
            end if
         end if
      end do
   end subroutine meet

   pure subroutine confine(n, diag, x, lower, upper, longest, reach, p)
      !! Cut off what still goes too far.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(in) :: longest
      real(wp), intent(in) :: reach(n)
      real(wp), intent(inout) :: p(n)

      p = min(max(p, -farthest(x - lower, diag, longest, reach)), &
              farthest(upper - x, diag, longest, reach))
   end subroutine confine

   elemental function farthest(gap, diag, longest, reach) result(room)
      !! How far a variable may go: not at all where its next digits no longer show in F.
      real(wp), intent(in) :: gap
      real(wp), intent(in) :: diag
      real(wp), intent(in) :: longest
      real(wp), intent(in) :: reach
      real(wp) :: room

      room = merge(reach*gap, 0.0_wp, diag*gap > nearest*longest)
   end function farthest

   elemental function raised_to(diag, delta, room) result(d)
      !! With it ‖D p‖ ≤ delta keeps a variable within the room that it has.
      real(wp), intent(in) :: diag
      real(wp), intent(in) :: delta
      real(wp), intent(in) :: room
      real(wp) :: d

      d = max(diag, min(delta/max(room, tiny(room)), diag/epsmch))
   end function raised_to

   pure subroutine let_go(n, norms, diag, d, par, p, room, raised, walls)
      !! Forget the walls that would not have been met with MINPACK's D, to first order: by far,
      !! where they are many, as each has but its share of the step.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: norms(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: d(n)
      real(wp), intent(in) :: par
      real(wp), intent(in) :: p(n)
      real(wp), intent(in) :: room(n)
      integer(ik), intent(in) :: raised
      real(wp), intent(inout) :: walls(n)
      real(wp) :: curvature, crowd
      integer(ik) :: k

      crowd = real(raised, wp)
      do k = 1, n
         if (abs(walls(k)) > 0.0_wp .and. abs(walls(k)) < held_wall) then
            curvature = norms(k)**2
            if (crowd*p(k)*walls(k)*(curvature + par*d(k)**2) &
                <= room(k)*(curvature + par*diag(k)**2)) walls(k) = 0.0_wp
         end if
      end do
   end subroutine let_go

end module minpack_walls
