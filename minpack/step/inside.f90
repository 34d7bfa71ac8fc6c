module minpack_inside
   !! Propose a step that stays strictly within bounds on the variables.
   !!
   !! The affine scaling of Coleman & Li (An interior trust region approach for nonlinear
   !! minimization subject to bounds, SIAM J. Optim. 6 (1996), 418-445) on top of MINPACK's D, and
   !! only where it is needed: a step that ends inside is that of the fit without bounds. Elsewhere
   !! D_k is raised to delta/(reach d_k) for each variable that runs into a wall, d_k being the way
   !! to it: the ellipsoid ‖D p‖ ≤ delta then fits between the walls, and the others make the best
   !! of it. As x comes to rest, reach goes to 1, so that a variable that belongs on its wall goes
   !! there fast.
   !!
   !! The walls are remembered from step to step, and forgotten once they would no longer be met:
   !! so one solve a step is enough, mostly. What is all but on its wall is held, out of the solve:
   !! it goes its way there, and the others are as free as without bounds. So is what is near its
   !! wall while the linear model is sound: a fit then takes few steps more than without bounds.
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
   !!     that, with walls remembered and held                                         6508
   !!
   !! Of 10000 fits of 67 models, in the boxes of `minpack_restart`, those that find it; and the
   !! Jacobians for 40 and 60 amplitudes ≥ 0 (linear) and 58 (with a common place and width):
   !!
   !!     walls found anew at each step, in up to ten rounds            9782    54   77   39
   !!     remembered, up to ten rounds, nothing held                    9779    39         30
   !!     remembered and held, up to two rounds                         9782    12   15   12
   !!     remembered and held, one round, the rest cut off              9762     8    9    8
   !!     held while the model is sound as well, up to two rounds       9789     9   10   10
   !!
   !! Of the 14640 fits of `minpack_restart`; and calls where any differ, in parts of the first:
   !!
   !!     0.9 of the way to a wall at first, D fades by half after steps at walls     14143   1
   !!     p/(p + d) to a new wall, 0.8 to one that is remembered, D fades by 0.7 in
   !!     each step once walls were met, of delta half is kept                        14165   0.95
   !!     that, with 0.7 to one that is remembered                                    14178   0.95
   !!     that, and all of delta kept                                                 14150   0.95
   !!     all but the last, and while the model is sound 0.9, held from 0.3 of the
   !!     size on                                                                     14177   0.96
   !!
   !! This is the last without its 0.9, with which NIST's MGH17 ends in one minimum or another as
   !! rounding has it. Of the 10000 fits it finds 9790.
   use minpack_bounded, only: nearest
   use minpack_dot, only: dot
   use minpack_enorm, only: enorm
   use minpack_kinds, only: epsmch, ik, wp
   use minpack_lmpar, only: lmpar
   use minpack_qrsolv, only: solve_without
   use minpack_triangular, only: times_upper
   implicit none (type, external)
   private
   public :: leaves, propose_inside

   ! Of the way to a wall, at first, once it is remembered, and in the end.
   real(wp), parameter :: first_reach = 0.5_wp
   real(wp), parameter :: least_reach = 0.7_wp
   real(wp), parameter :: largest_reach = 0.9999_wp
   real(wp), parameter :: overlong = 1.1_wp  !! lmpar's steps are up to a tenth longer than delta
   integer, parameter :: max_rounds = 2
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

   pure subroutine propose_inside(n, r, ldr, ipvt, diag, qtf, norms, cosines, fnorm, x, start, &
                                  lower, upper, longest, known, predicted, delta, par, p, &
                                  pnorm, prered, dirder, x_trial, work1, work2, walls, work, &
                                  scratch_size, scratch)
      !! A step as of `propose`, but to a point inside.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(inout) :: r(ldr, n)  !! strict lower triangle: work
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: qtf(n)
      real(wp), intent(in) :: norms(n)  !! of J's columns
      real(wp), intent(in) :: cosines(n)  !! of their angles with f
      real(wp), intent(in) :: fnorm  !! > 0
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(in) :: longest  !! of ‖D x‖ so far: x itself may pass 0
      logical, intent(in) :: known  !! whether `walls` are; else p is the step of `propose`
      logical, intent(in) :: predicted  !! whether the linear model has just been right
      real(wp), intent(inout) :: delta
      real(wp), intent(inout) :: par
      real(wp), intent(inout) :: p(n)
      real(wp), intent(out) :: pnorm  !! ‖D p‖
      real(wp), intent(out) :: prered  !! as of `propose`, but from p itself
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
      real(wp) :: linear
      integer(ik) :: k, raised, holding
      logical :: remembered, sound

      if (longest > 0.0_wp) delta = min(delta, longest)
      remembered = known
      sound = predicted
      proposals: do
         if (remembered) p = 0.0_wp
         call survey(n, diag, norms, cosines, fnorm, x, start, lower, upper, longest, p, &
                     walls, sound, work(:, 1), work(:, 2), raised, holding)
         call squeeze(n, r, ldr, ipvt, diag, qtf, x, start, work(:, 1), work(:, 2), remembered, &
                      sound, delta, par, p, walls, raised, holding, work1, work2, x_trial, &
                      work(:, 3), work(:, 4), scratch_size, scratch)
         x_trial = x + p
         if (leaves(n, x_trial, p, lower, upper)) then  ! by lmpar's tenth
            p = min(max(p, -work(:, 1)), work(:, 2))
            x_trial = min(max(x + p, lower), upper)
            call times_upper(n, r, ldr, ipvt, p, work1)
         end if
         prered = 0.0_wp
         dirder = 0.0_wp
         do k = 1, n
            work2(k) = diag(k)*p(k)
            linear = work1(k)/fnorm
            dirder = dirder + linear*(qtf(k)/fnorm)
            prered = prered - linear**2
         end do
         prered = prered - 2.0_wp*dirder
         if (prered > 0.0_wp .or. .not. sound) exit proposals
         ! Held together they lead uphill: the others cannot follow so far.
         remembered = .true.
         sound = .false.
      end do proposals
      pnorm = enorm(n, work2)
      if (raised > 0) then
         call let_go(n, norms, diag, work(:, 3), par, p, work(:, 1), work(:, 2), raised, walls)
      end if
   end subroutine propose_inside

   pure subroutine survey(n, diag, norms, cosines, fnorm, x, start, lower, upper, longest, p, &
                          walls, sound, below, above, raised, holding)
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
      real(wp), intent(in) :: p(n)  !! the step without walls, 0 where it is not known
      real(wp), intent(inout) :: walls(n)
      logical, intent(inout) :: sound  !! whether the linear model may be relied on
      real(wp), intent(out) :: below(n)  !! how far the variables may go
      real(wp), intent(out) :: above(n)
      integer(ik), intent(out) :: raised  !! how many walls there are
      integer(ik), intent(out) :: holding  !! and held variables
      real(wp) :: cosine, length, way, share, part, size
      integer(ik) :: k

      share = 0.0_wp
      do k = 1, n
         below(k) = x(k) - lower(k)
         above(k) = upper(k) - x(k)
         if (lower(k) < upper(k)) then
            if (cosines(k)*walls(k) >= 0.0_wp) walls(k) = 0.0_wp
            cosine = abs(cosines(k))
            length = merge(below(k), above(k), cosines(k) > 0.0_wp)
            way = length*(norms(k)/fnorm)
            if (abs(walls(k)) > 0.0_wp) then
               size = max(abs(x(k)), abs(start(k)))
               walls(k) = sign(1.0_wp, walls(k))
               if (length <= held_gap*size .and. way <= min(cosine, held_share)) then
                  walls(k) = sign(held_wall, walls(k))
               end if
            end if
            share = max(share, cosine*min(1.0_wp, way))
            if (norms(k) < sound_norm*diag(k)) sound = .false.
         else if (abs(walls(k)) > 0.0_wp) then
            walls(k) = sign(held_wall, walls(k))
         end if
      end do

      ! One less the largest share of ‖f‖ that a variable has still to give away, to first order, on
      ! its way to its wall or to the minimum along it, whichever is nearer.
      raised = 0
      holding = 0
      do k = 1, n
         part = reach(p(k), merge(below(k), above(k), p(k) < 0.0_wp), walls(k), 1.0_wp - share)
         if (abs(walls(k)) > 0.0_wp) then
            if (sound) then
               if (merge(below(k), above(k), walls(k) < 0.0_wp) &
                   <= sound_gap*max(abs(x(k)), abs(start(k)))) then
                  walls(k) = sign(held_wall, walls(k))
               end if
               if (abs(walls(k)) >= held_wall) part = largest_reach
            end if
            if (abs(walls(k)) >= held_wall) then
               holding = holding + 1
            else
               raised = raised + 1
            end if
         end if
         below(k) = room(below(k), diag(k), longest, part)
         above(k) = room(above(k), diag(k), longest, part)
      end do
   end subroutine survey

   elemental function reach(p, gap, wall, rest) result(part)
      !! Which part of the way to its wall a variable may go: where p passes the wall, p/(p + gap),
      !! as the same step would in terms of 1/gap.
      real(wp), intent(in) :: p
      real(wp), intent(in) :: gap
      real(wp), intent(in) :: wall
      real(wp), intent(in) :: rest
      real(wp) :: part

      part = first_reach
      if (abs(p) > gap) part = abs(p)/(abs(p) + gap)
      if (abs(wall) > 0.0_wp) part = least_reach
      part = min(max(part, rest), largest_reach)
   end function reach

   elemental function room(gap, diag, longest, reach) result(most)
      !! How far a variable may go: not at all where its next digits no longer show in F.
      real(wp), intent(in) :: gap
      real(wp), intent(in) :: diag
      real(wp), intent(in) :: longest
      real(wp), intent(in) :: reach
      real(wp) :: most

      most = merge(reach*gap, 0.0_wp, diag*gap > nearest*longest)
   end function room

   pure subroutine squeeze(n, r, ldr, ipvt, diag, qtf, x, start, below, above, known, sound, &
                           delta, par, p, walls, raised, holding, rp, work1, work2, d, &
                           residual, scratch_size, scratch)
      !! p, in the ellipsoid of a raised D, between the walls.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(inout) :: r(ldr, n)  !! strict lower triangle: work
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: qtf(n)
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: below(n)
      real(wp), intent(in) :: above(n)
      logical, intent(in) :: known
      logical, intent(in) :: sound
      real(wp), intent(in) :: delta
      real(wp), intent(inout) :: par
      real(wp), intent(inout) :: p(n)
      real(wp), intent(inout) :: walls(n)
      integer(ik), intent(inout) :: raised
      integer(ik), intent(inout) :: holding
      real(wp), intent(out) :: rp(n)  !! R Pᵀ p; work before
      real(wp), intent(out) :: work1(n)
      real(wp), intent(out) :: work2(n)
      real(wp), intent(out) :: d(n)  !! the raised D
      real(wp), intent(out) :: residual(n)
         !! Qᵀ(f + J p), before the solve with the p of the held variables alone
      integer(ik), intent(in) :: scratch_size
      real(wp), intent(inout) :: scratch(scratch_size)
      real(wp) :: length, crowd
      integer(ik) :: k
      integer :: round
      logical :: inside

      inside = .false.
      ! Walls that share an ellipsoid's radius alike are each met by a part of the room only.
      crowd = sqrt(sqrt(real(max(raised, 1_ik), wp)))
      do k = 1, n
         d(k) = diag(k)
         if (abs(walls(k)) >= held_wall) then
            d(k) = diag(k)/epsmch
         else if (abs(walls(k)) > 0.0_wp) then
            d(k) = raised_to(diag(k), delta/crowd, merge(below(k), above(k), walls(k) < 0.0_wp))
         end if
      end do
      if (.not. known) then
         call meet(n, diag, x, start, below, above, sound, delta, p, walls, d, raised, holding, &
                   inside)
      end if

      rounds: do round = 1, max_rounds
         if (inside) exit rounds
         residual = qtf
         if (holding > 0) call hold(n, r, ldr, ipvt, below, above, walls, p, residual)
         if (holding > 0 .and. raised == 0) then
            ! The others may well be free. To hold a variable is to take its column out of R.
            do k = 1, n
               rp(k) = merge(1.0_wp, 0.0_wp, abs(walls(k)) >= held_wall)
            end do
            call solve_without(n, r, ldr, ipvt, rp, residual, p, work1, work2)
            do k = 1, n
               rp(k) = diag(k)*p(k)
            end do
            length = enorm(n, rp)
            inside = length <= overlong*delta
            if (inside) par = 0.0_wp
         end if
         if (.not. inside) then
            call lmpar(n, r, ldr, ipvt, d, residual, delta, par, p, length, rp, work1, work2, &
                       scratch_size, scratch)
         end if
         do k = 1, n
            if (abs(walls(k)) >= held_wall) then
               p(k) = merge(-below(k), above(k), walls(k) < 0.0_wp)
            else
               p(k) = -p(k)
            end if
         end do
         call meet(n, diag, x, start, below, above, sound, delta, p, walls, d, raised, holding, &
                   inside)
         if (.not. inside) cycle rounds
         call times_upper(n, r, ldr, ipvt, p, rp)
         residual = qtf + rp
         if (holding > 0) then
            call release(n, r, ldr, ipvt, residual, diag, below, above, walls, d, holding, inside)
            inside = inside .or. .not. sound
         end if
      end do rounds
      if (inside) return
      p = min(max(p, -below), above)
      call times_upper(n, r, ldr, ipvt, p, rp)
      residual = qtf + rp
      if (holding > 0) then
         call release(n, r, ldr, ipvt, residual, diag, below, above, walls, d, holding, inside)
      end if
   end subroutine squeeze

   pure subroutine release(n, r, ldr, ipvt, residual, diag, below, above, walls, d, holding, inside)
      !! Let go of what is held, but would rather leave its wall once p is done.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: residual(n)  !! Qᵀ(f + J p)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: below(n)
      real(wp), intent(in) :: above(n)
      real(wp), intent(inout) :: walls(n)
      real(wp), intent(inout) :: d(n)
      integer(ik), intent(inout) :: holding
      logical, intent(inout) :: inside
      integer(ik) :: j, k

      do j = 1, n
         k = int(ipvt(j), ik)
         if (abs(walls(k)) >= held_wall .and. below(k) + above(k) > 0.0_wp) then
            if (dot(j, r(:, j), residual)*walls(k) >= 0.0_wp) then
               walls(k) = 0.0_wp
               d(k) = diag(k)
               holding = holding - 1
               inside = .false.
            end if
         end if
      end do
   end subroutine release

   pure subroutine hold(n, r, ldr, ipvt, below, above, walls, p, residual)
      !! The held variables go as far as they may, before the others are solved for.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: below(n)
      real(wp), intent(in) :: above(n)
      real(wp), intent(in) :: walls(n)
      real(wp), intent(inout) :: p(n)
      real(wp), intent(inout) :: residual(n)
      integer(ik) :: j, k

      do j = 1, n
         k = int(ipvt(j), ik)
         if (abs(walls(k)) >= held_wall) then
            p(k) = merge(-below(k), above(k), walls(k) < 0.0_wp)
            residual(1:j) = residual(1:j) + p(k)*r(1:j, j)
         end if
      end do
   end subroutine hold

   pure subroutine meet(n, diag, x, start, below, above, sound, delta, p, walls, d, raised, &
                        holding, inside)
      !! Raise D for the variables that go too far, or hold them.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: below(n)
      real(wp), intent(in) :: above(n)
      logical, intent(in) :: sound
      real(wp), intent(in) :: delta
      real(wp), intent(in) :: p(n)
      real(wp), intent(inout) :: walls(n)
      real(wp), intent(inout) :: d(n)
      integer(ik), intent(inout) :: raised
      integer(ik), intent(inout) :: holding
      logical, intent(out) :: inside
      real(wp) :: room
      integer(ik) :: k

      inside = .true.
      do k = 1, n
         room = merge(below(k), above(k), p(k) < 0.0_wp)
         if (abs(p(k)) > overlong*room) then
            inside = .false.
            if (abs(walls(k)) > 0.0_wp) raised = raised - 1
            if (sound .and. room <= sound_gap*max(abs(x(k)), abs(start(k)))) then
               holding = holding + 1
               walls(k) = sign(held_wall, p(k))
               d(k) = diag(k)/epsmch
            else
               raised = raised + 1
               walls(k) = sign(1.0_wp, p(k))
               d(k) = max(d(k), raised_to(diag(k), delta, room))
            end if
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

   pure subroutine let_go(n, norms, diag, d, par, p, below, above, raised, walls)
      !! Forget the walls that would not have been met with MINPACK's D, to first order: by far,
      !! where they are many, as each has but its share of the step.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: norms(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: d(n)
      real(wp), intent(in) :: par
      real(wp), intent(in) :: p(n)
      real(wp), intent(in) :: below(n)
      real(wp), intent(in) :: above(n)
      integer(ik), intent(in) :: raised
      real(wp), intent(inout) :: walls(n)
      real(wp) :: curvature, crowd, room
      integer(ik) :: k

      crowd = real(raised, wp)
      do k = 1, n
         if (abs(walls(k)) > 0.0_wp .and. abs(walls(k)) < held_wall) then
            curvature = norms(k)**2
            room = merge(below(k), above(k), walls(k) < 0.0_wp)
            if (crowd*p(k)*walls(k)*(curvature + par*d(k)**2) &
                <= room*(curvature + par*diag(k)**2)) walls(k) = 0.0_wp
         end if
      end do
   end subroutine let_go

end module minpack_inside
