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
   use minpack_bounded, only: gap, nearest
   use minpack_dot, only: dot
   use minpack_enorm, only: enorm
   use minpack_kinds, only: epsmch, ik, wp
   use minpack_lmpar, only: lmpar
   use minpack_qrsolv, only: qrsolv
   use minpack_triangular, only: times_upper
   implicit none (type, external)
   private
   public :: leaves, propose_inside

   real(wp), parameter :: least_reach = 0.9_wp
      !! lmpar's steps are up to a tenth longer than delta: this keeps them inside
   real(wp), parameter :: largest_reach = 0.9999_wp
   real(wp), parameter :: overlong = 1.1_wp  !! that tenth
   integer, parameter :: max_rounds = 2
   real(wp), parameter :: held_wall = 2.0_wp
   ! What may lie between x and the wall of a held variable: of the variable's size, and of ‖f‖. It
   ! is the first that counts: along a column that has vanished F is flat, all the way to a wall.
   real(wp), parameter :: held_gap = 3.0e-3_wp
   real(wp), parameter :: held_share = 0.3_wp

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
                                  lower, upper, longest, known, delta, par, p, pnorm, prered, &
                                  dirder, x_trial, work1, work2, walls, work, scratch_size, &
                                  scratch)
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
      real(wp) :: reach

      if (longest > 0.0_wp) delta = min(delta, longest)
      call survey(n, norms, cosines, fnorm, x, start, lower, upper, walls, reach)
      work(:, 1) = room(x - lower, diag, longest, reach)
      work(:, 2) = room(upper - x, diag, longest, reach)
      call squeeze(n, r, ldr, ipvt, diag, qtf, work(:, 1), work(:, 2), known, delta, par, p, &
                   walls, x_trial, work1, work2, work(:, 3), work(:, 4), scratch_size, scratch)
      x_trial = min(max(x + p, lower), upper)

      work1 = diag*p
      pnorm = enorm(n, work1)
      call times_upper(n, r, ldr, ipvt, p, work1)
      work2 = qtf + work1
      call let_go(n, r, ldr, ipvt, norms, work2, diag, work(:, 3), par, p, work(:, 1), &
                  work(:, 2), walls)
      work1 = work1/fnorm
      work2 = qtf/fnorm
      dirder = dot(n, work1, work2)
      prered = -(2.0_wp*dirder + dot(n, work1, work1))
   end subroutine propose_inside

   pure subroutine survey(n, norms, cosines, fnorm, x, start, lower, upper, walls, reach)
      !! Forget the walls that descent leads away from; hold what is all but on its wall.
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: norms(n)
      real(wp), intent(in) :: cosines(n)
      real(wp), intent(in) :: fnorm
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: start(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(inout) :: walls(n)
      real(wp), intent(out) :: reach
         !! One less the largest share of ‖f‖ that a variable has still to give away, to first
         !! order, on its way to its wall or to the minimum along it, whichever is nearer.
      real(wp) :: cosine, length, way, share
      integer(ik) :: k

      share = 0.0_wp
      variables: do k = 1, n
         if (.not. lower(k) < upper(k)) then
            if (abs(walls(k)) > 0.0_wp) walls(k) = sign(held_wall, walls(k))
            cycle variables
         end if
         if (cosines(k)*walls(k) >= 0.0_wp) walls(k) = 0.0_wp
         cosine = abs(cosines(k))
         length = gap(x(k), lower(k), upper(k), -cosines(k))
         way = length*(norms(k)/fnorm)
         if (abs(walls(k)) > 0.0_wp) then
            walls(k) = sign(1.0_wp, walls(k))
            if (length <= held_gap*max(abs(x(k)), abs(start(k))) &
                .and. way <= min(cosine, held_share)) walls(k) = held_wall*walls(k)
         end if
         share = max(share, cosine*min(1.0_wp, way))
      end do variables
      reach = min(max(1.0_wp - share, least_reach), largest_reach)
   end subroutine survey

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

   pure subroutine let_go(n, r, ldr, ipvt, norms, residual, diag, d, par, p, below, above, walls)
      !! Forget the walls that descent leads away from once p is done, and those that would not have
      !! been met with MINPACK's D, to first order: by far, where they are many, as each has but its
      !! share of the step.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: norms(n)
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
            curvature = norms(k)**2
            room = merge(below(k), above(k), walls(k) < 0.0_wp)
            if (crowd*p(k)*walls(k)*(curvature + par*d(k)**2) &
                <= room*(curvature + par*diag(k)**2)) walls(k) = 0.0_wp
         end if
      end do
   end subroutine let_go

end module minpack_inside
