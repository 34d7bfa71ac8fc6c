module minpack_bounded
   !! Propose a step that stays strictly within bounds on the variables; land on them in the end.
   !!
   !! The affine scaling of Coleman & Li (An interior trust region approach for nonlinear
   !! minimization subject to bounds, SIAM J. Optim. 6 (1996), 418-445) on top of MINPACK's D, and
   !! only where it is needed: a step that ends inside is that of the fit without bounds. Elsewhere
   !! D_k is raised to delta/(reach d_k) for each variable that runs into a wall, d_k being the way
   !! to it: the ellipsoid ‖D p‖ ≤ delta then fits between the walls, and the others make the best
   !! of it. As x comes to rest, reach goes to 1, so that a variable that belongs on its wall goes
   !! there fast; in the end, if its gradient agrees, onto it.
   !!
   !! The walls are remembered from step to step, and forgotten once they would no longer be met:
   !! so one solve a step is enough, mostly. What is all but on its wall is held, out of the solve:
   !! it goes its way there, and the others are as free as without bounds.
   !!
   !! Of 6720 fits, 28 models from starts within a factor of 9 and of 2 of the truth, find the
   !! minimum that SciPy's trf or a candidate has found:
   !!
   !!     trf of SciPy 1.17                                                            6260
   !!     steps cut at the first wall, the rest made along it (an active set)          6020
   !!     steps inside by cutting each component off                                   5953
   !!     D raised                                                                     6287
   !!     D raised, and fading once walls have interfered (`lm_step`)                  6310
   !!     that, with new starts (`minpack_restart`)                                    6514
   !!     that, with walls remembered and held: this                                   6508
   !!
   !! Of 10000 fits of 67 models, in the boxes of `minpack_restart`, those that find it; and the
   !! Jacobians for 40 and 60 amplitudes ≥ 0 (linear) and 58 (with a common place and width):
   !!
   !!     walls found anew at each step, in up to ten rounds            9782    54   77   39
   !!     remembered, up to ten rounds, nothing held                    9779    39         30
   !!     remembered and held, up to two rounds: this                   9782    12   15   12
   !!     remembered and held, one round, the rest cut off              9762     8    9    8
   use minpack_dot, only: dot
   use minpack_enorm, only: enorm
   use minpack_kinds, only: epsmch, ik, wp
   use minpack_lmpar, only: lmpar
   use minpack_propose, only: propose
   use minpack_qrsolv, only: qrsolv
   use minpack_triangular, only: times_upper
   implicit none (type, external)
   private
   public :: first_point, held, landing_point, propose_inside

   real(wp), parameter :: least_reach = 0.9_wp
      !! lmpar's steps are up to a tenth longer than delta: this keeps them inside
   real(wp), parameter :: largest_reach = 0.9999_wp
   real(wp), parameter :: nearest = 1.0e-10_wp  !! of ‖D x‖: closer to a wall only to land
   real(wp), parameter :: overlong = 1.1_wp  !! that tenth
   integer, parameter :: max_rounds = 2
   real(wp), parameter :: held_wall = 2.0_wp
   ! What may lie between x and the wall of a held variable: of the variable's size, and of ‖f‖. It
   ! is the first that counts: along a column that has vanished F is flat, all the way to a wall.
   real(wp), parameter :: held_gap = 3.0e-3_wp
   real(wp), parameter :: held_share = 0.3_wp
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

   pure subroutine propose_inside(n, r, ldr, ipvt, diag, qtf, fnorm, x, start, lower, upper, &
                                  longest, delta, par, p, pnorm, prered, dirder, x_trial, work1, &
                                  work2, walls, work, scratch_size, scratch, squeezed)
      !! A step as of `propose`, but to a point inside.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(inout) :: r(ldr, n)  !! strict lower triangle: work
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: qtf(n)
      real(wp), intent(in) :: fnorm  !! > 0
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(in) :: longest  !! of ‖D x‖ so far: x itself may pass 0
      real(wp), intent(inout) :: delta
      real(wp), intent(inout) :: par
      real(wp), intent(out) :: p(n)
      real(wp), intent(out) :: pnorm  !! ‖D p‖
      real(wp), intent(out) :: prered  !! as of `propose`; where walls interfere, from p itself
      real(wp), intent(out) :: dirder
      real(wp), intent(out) :: x_trial(n)
      real(wp), intent(out) :: work1(n)
      real(wp), intent(out) :: work2(n)
      real(wp), intent(inout) :: walls(n)
         !! kept from step to step, 0 at first: the walls that interfere, -1 a lower and 1 an upper
         !! one; twice that where the variable is held
      real(wp), intent(out) :: work(n, 4)
      integer(ik), intent(in) :: scratch_size
      real(wp), intent(inout) :: scratch(scratch_size)  !! work of `lmpar`
      logical, intent(out) :: squeezed
      real(wp) :: reach
      logical :: known

      known = any(abs(walls) > 0.0_wp)
      if (.not. known) then
         call propose(n, r, ldr, ipvt, diag, qtf, fnorm, delta, par, p, pnorm, prered, dirder, &
                      x_trial, work1, work2, scratch_size, scratch)
         x_trial = x + p
         squeezed = .not. all((x_trial > lower .and. x_trial < upper) .or. .not. abs(p) > 0.0_wp)
         if (.not. squeezed) return
      end if

      squeezed = .true.
      if (longest > 0.0_wp) delta = min(delta, longest)
      call survey(n, r, ldr, ipvt, qtf, fnorm, x, start, lower, upper, walls, reach)
      work(:, 1) = room(x - lower, diag, longest, reach)
      work(:, 2) = room(upper - x, diag, longest, reach)
      call squeeze(n, r, ldr, ipvt, diag, qtf, work(:, 1), work(:, 2), known, delta, par, p, &
                   walls, x_trial, work1, work2, work(:, 3), work(:, 4), scratch_size, scratch)
      x_trial = min(max(x + p, lower), upper)

      work1 = diag*p
      pnorm = enorm(n, work1)
      call times_upper(n, r, ldr, ipvt, p, work1)
      work2 = qtf + work1
      call let_go(n, r, ldr, ipvt, work2, diag, work(:, 3), par, p, work(:, 1), work(:, 2), walls)
      work1 = work1/fnorm
      work2 = qtf/fnorm
      dirder = dot(n, work1, work2)
      prered = -(2.0_wp*dirder + dot(n, work1, work1))
   end subroutine propose_inside

   elemental function room(gap, diag, longest, reach) result(most)
      !! How far a variable may go: not at all where its next digits no longer show in F.
      real(wp), intent(in) :: gap
      real(wp), intent(in) :: diag
      real(wp), intent(in) :: longest
      real(wp), intent(in) :: reach
      real(wp) :: most

      most = merge(reach*gap, 0.0_wp, diag*gap > nearest*longest)
   end function room

   pure subroutine squeeze(n, r, ldr, ipvt, diag, qtf, below, above, known, delta, par, p, walls, &
                           work1, work2, work3, d, shifted, scratch_size, scratch)
      !! p, in the ellipsoid of a raised D, between the walls.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(inout) :: r(ldr, n)  !! strict lower triangle: work
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: qtf(n)
      real(wp), intent(in) :: below(n)  !! how far the variables may go
      real(wp), intent(in) :: above(n)
      logical, intent(in) :: known  !! whether `walls` are; else p is the step without any
      real(wp), intent(in) :: delta
      real(wp), intent(inout) :: par
      real(wp), intent(inout) :: p(n)
      real(wp), intent(inout) :: walls(n)
      real(wp), intent(out) :: work1(n)
      real(wp), intent(out) :: work2(n)
      real(wp), intent(out) :: work3(n)
      real(wp), intent(out) :: d(n)  !! the raised D
      real(wp), intent(out) :: shifted(n)  !! Qᵀ(f + J p), p that of the held variables
      integer(ik), intent(in) :: scratch_size
      real(wp), intent(inout) :: scratch(scratch_size)
      real(wp) :: length, room, crowd
      integer(ik) :: k, raised
      integer :: round
      logical :: holding, inside

      d = diag
      shifted = qtf
      holding = .false.
      inside = .false.
      if (known) then
         raised = count(abs(walls) > 0.0_wp .and. abs(walls) < held_wall, kind=ik)
         holding = any(abs(walls) >= held_wall)
         ! Walls that share an ellipsoid's radius alike are each met by a part of the room only.
         crowd = sqrt(sqrt(real(max(raised, 1_ik), wp)))
         do k = 1, n
            p(k) = 0.0_wp
            if (abs(walls(k)) >= held_wall) then
               p(k) = merge(-below(k), above(k), walls(k) < 0.0_wp)
               d(k) = diag(k)/epsmch
            else if (abs(walls(k)) > 0.0_wp) then
               room = merge(below(k), above(k), walls(k) < 0.0_wp)
               d(k) = raised_to(diag(k), delta/crowd, room)
            end if
         end do
         if (holding) then
            call times_upper(n, r, ldr, ipvt, p, work1)
            shifted = shifted + work1
         end if
      else
         raised = 0
         call meet(n, below, above, diag, delta, p, walls, d, raised, inside)
      end if

      rounds: do round = 1, max_rounds
         if (inside) exit rounds
         if (holding .and. raised == 0) then
            ! The others may well be free. To hold a variable is to take its column out of R.
            work1 = merge(huge(1.0_wp), 0.0_wp, abs(walls) >= held_wall)
            call qrsolv(n, r, ldr, ipvt, work1, shifted, p, work2, work3)
            work1 = merge(0.0_wp, diag*p, abs(walls) >= held_wall)
            length = enorm(n, work1)
            inside = length <= overlong*delta
            if (inside) par = 0.0_wp
         end if
         if (.not. inside) then
            call lmpar(n, r, ldr, ipvt, d, shifted, delta, par, p, length, work1, work2, work3, &
                       scratch_size, scratch)
         end if
         p = -p
         if (holding) then
            where (abs(walls) >= held_wall) p = merge(-below, above, walls < 0.0_wp)
         end if
         call meet(n, below, above, diag, delta, p, walls, d, raised, inside)
      end do rounds
      p = min(max(p, -below), above)
   end subroutine squeeze

   pure subroutine meet(n, below, above, diag, delta, p, walls, d, raised, inside)
      !! Raise D for the variables that go too far.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: below(n)
      real(wp), intent(in) :: above(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: delta
      real(wp), intent(in) :: p(n)
      real(wp), intent(inout) :: walls(n)
      real(wp), intent(inout) :: d(n)
      integer(ik), intent(inout) :: raised
      logical, intent(out) :: inside
      real(wp) :: room
      integer(ik) :: k

      inside = .true.
      do k = 1, n
         room = merge(below(k), above(k), p(k) < 0.0_wp)
         if (abs(p(k)) > overlong*room) then
            inside = .false.
            if (.not. abs(walls(k)) > 0.0_wp) raised = raised + 1
            walls(k) = sign(1.0_wp, p(k))
            d(k) = max(d(k), raised_to(diag(k), delta, room))
         end if
      end do
   end subroutine meet

   elemental function raised_to(diag, delta, room) result(d)
      !! With it ‖D p‖ ≤ delta keeps a variable within the room that it has.
      real(wp), intent(in) :: diag
      real(wp), intent(in) :: delta
      real(wp), intent(in) :: room
      real(wp) :: d

      d = max(diag, min(delta/max(room, tiny(room)), diag/epsmch))
   end function raised_to

   pure subroutine let_go(n, r, ldr, ipvt, residual, diag, d, par, p, below, above, walls)
      !! Forget the walls that descent leads away from once p is done, and those that would not have
      !! been met with MINPACK's D, to first order: by far, where they are many, as each has but its
      !! share of the step.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: residual(n)  !! Qᵀ(f + J p)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: d(n)
      real(wp), intent(in) :: par
      real(wp), intent(in) :: p(n)
      real(wp), intent(in) :: below(n)
      real(wp), intent(in) :: above(n)
      real(wp), intent(inout) :: walls(n)
      real(wp) :: curvature, crowd, room
      integer(ik) :: j, k

      crowd = real(count(abs(walls) > 0.0_wp .and. abs(walls) < held_wall), wp)
      do j = 1, n
         k = int(ipvt(j), ik)
         if (abs(walls(k)) >= held_wall) then
            if (dot(j, r(:, j), residual)*walls(k) >= 0.0_wp &
                .and. below(k) + above(k) > 0.0_wp) walls(k) = 0.0_wp
         else if (abs(walls(k)) > 0.0_wp) then
            curvature = dot(j, r(:, j), r(:, j))
            room = merge(below(k), above(k), walls(k) < 0.0_wp)
            if (crowd*p(k)*walls(k)*(curvature + par*d(k)**2) &
                <= room*(curvature + par*diag(k)**2)) walls(k) = 0.0_wp
         end if
      end do
   end subroutine let_go

   pure subroutine survey(n, r, ldr, ipvt, qtf, fnorm, x, start, lower, upper, walls, reach)
      !! Forget the walls that descent leads away from; hold what is all but on its wall.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: qtf(n)
      real(wp), intent(in) :: fnorm
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(inout) :: walls(n)
      real(wp), intent(out) :: reach
         !! One less the largest share of ‖f‖ that a variable has still to give away, to first
         !! order, on its way to its wall or to the minimum along it, whichever is nearer.
      real(wp) :: slope, length, cosine, way, share
      integer(ik) :: j, k

      share = 0.0_wp
      variables: do j = 1, n
         k = int(ipvt(j), ik)
         slope = dot(j, r(:, j), qtf)
         length = enorm(j, r(:, j))
         if (.not. lower(k) < upper(k)) then
            if (abs(walls(k)) > 0.0_wp) walls(k) = sign(held_wall, walls(k))
            cycle variables
         end if
         if (slope*walls(k) >= 0.0_wp) walls(k) = 0.0_wp
         if (length > 0.0_wp) then
            cosine = abs(slope)/length/fnorm
            way = gap(x(k), lower(k), upper(k), -slope)
            if (abs(walls(k)) > 0.0_wp) then
               walls(k) = sign(1.0_wp, walls(k))
               if (way <= held_gap*max(abs(x(k)), abs(start(k))) &
                   .and. way*(length/fnorm) <= min(cosine, held_share)) then
                  walls(k) = held_wall*walls(k)
               end if
            end if
            share = max(share, cosine*min(1.0_wp, way*(length/fnorm)))
         end if
      end do variables
      reach = min(max(1.0_wp - share, least_reach), largest_reach)
   end subroutine survey

   pure subroutine landing_point(n, r, ldr, ipvt, qtf, p, fnorm, x, start, lower, upper, &
                                 model_size, xtol, walls_met, work1, work2, work3, work4, z, &
                                 x_trial)
      !! The end of a fit, but on the walls next to it from which no descent leads away.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(inout) :: r(ldr, n)  !! strict lower triangle: work
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: qtf(n)
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
      real(wp) :: slope, length, room, wall, size
      integer(ik) :: j, k

      call times_upper(n, r, ldr, ipvt, p, work1)
      work1 = qtf + work1
      do j = 1, n
         k = int(ipvt(j), ik)
         slope = dot(j, r(:, j), work1)
         length = enorm(j, r(:, j))
         x_trial(k) = x(k)
         size = max(abs(x(k)), abs(start(k)))
         ! The minimum along the variable lies beyond the wall.
         room = gap(x(k), lower(k), upper(k), -slope)
         if (walls_met .and. abs(slope) > 0.0_wp .and. room <= near_wall*size &
             .and. length*room <= min(next_to_wall*fnorm, abs(slope)/length)) then
            x_trial(k) = merge(lower(k), upper(k), slope > 0.0_wp)
         end if
         ! Or x is as good as on it.
         wall = merge(lower(k), upper(k), x(k) - lower(k) < upper(k) - x(k))
         room = abs(x(k) - wall)
         if (room <= xtol*size) x_trial(k) = wall
         ! Far from it, what F does not depend on at all stays: no descent has led it anywhere.
         if (walls_met .and. length*room <= nearest*model_size &
             .and. (length > 0.0_wp .or. room <= near_wall*size)) x_trial(k) = wall
      end do
      z = x_trial - x
      if (.not. any(abs(z) > 0.0_wp)) return

      ! With it goes the Gauss–Newton step of the others: where F is 0 on the wall it is not beside
      ! it, and what has been fitted there would be in the way.
      call times_upper(n, r, ldr, ipvt, z, work2)
      work1 = -work1 - work2
      work2 = merge(0.0_wp, huge(1.0_wp), x_trial > lower .and. x_trial < upper)
      call qrsolv(n, r, ldr, ipvt, work2, work1, z, work3, work4)
      where (work2 > 0.0_wp) z = 0.0_wp
      if (all(abs(z) <= near_wall*max(abs(x), abs(start)) .and. &
              (.not. abs(z) > 0.0_wp .or. (x_trial + z > lower .and. x_trial + z < upper)))) then
         x_trial = x_trial + z
      end if
   end subroutine landing_point

end module minpack_bounded
