module minpack_bounded
   !! Propose a step that stays within bounds on the variables.
   !!
   !! The model ‖f + J p‖ is minimised over the region ‖D p‖ ≤ delta cut by the box
   !! lower ≤ x + p ≤ upper, with an active set (Gill, Murray & Wright, Practical Optimization
   !! (1981), section 5.2; for least squares Lawson & Hanson, Solving Least Squares Problems (1974),
   !! chapter 23). From p = 0 the step heads for the Levenberg–Marquardt point of the free variables
   !! until it meets a bound; that variable is fixed there and the rest is solved anew. The model is
   !! convex and each leg ends nearer to a minimiser of it, so it decreases on every leg.
   use minpack_dot, only: dot
   use minpack_enorm, only: enorm
   use minpack_kinds, only: ik, wp
   use minpack_lmpar, only: lmpar
   use minpack_qrfac, only: qrfac
   use minpack_triangular, only: times_upper
   implicit none (type, external)
   private
   public :: propose_bounded, held, inside

   real(wp), parameter :: region_floor = 0.1_wp
      !! of delta: the least region for the free variables when the fixed ones have used it up

contains

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

   pure function inside(n, x, lower, upper) result(yes)
      integer(ik), intent(in) :: n
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      logical :: yes

      yes = all(x >= lower .and. x <= upper)
   end function inside

   pure subroutine propose_bounded(n, r, ldr, ipvt, diag, qtf, fnorm, x, lower, upper, delta, par, &
                                   p, pnorm, prered, dirder, x_trial, rf, work, pivots, ndense, &
                                   dense)
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: diag(n)
      real(wp), intent(in) :: qtf(n)
      real(wp), intent(in) :: fnorm  !! > 0
      real(wp), intent(in) :: x(n)  !! within the bounds
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(in) :: delta
      real(wp), intent(inout) :: par
      real(wp), intent(out) :: p(n)
      real(wp), intent(out) :: pnorm  !! ‖D p‖
      real(wp), intent(out) :: prered  !! as of `propose`, from p itself
      real(wp), intent(out) :: dirder
      real(wp), intent(out) :: x_trial(n)  !! x + p, exactly on the bounds that it meets
      real(wp), intent(out) :: rf(n, n)  !! work: the free columns of R, then their R
      real(wp), intent(out) :: work(n, 8)
      integer, intent(out) :: pivots(n, 2)  !! work: the free variables; their pivots in rf
      integer(ik), intent(in) :: ndense
      real(wp), intent(inout) :: dense(ndense)  !! work of `lmpar`
      real(wp) :: reach, region, wall, unused
      integer(ik) :: free, i, j, k, hit

      ! The free variables, as columns of R, whose order they keep.
      free = 0
      x_trial = x
      p = 0.0_wp
      free_ones: do j = 1, n
         k = int(ipvt(j), ik)
         if (held(x(k), lower(k), upper(k), dot(j, r(:, j), qtf))) cycle free_ones
         free = free + 1
         pivots(free, 1) = int(j)
      end do free_ones

      legs: do while (free > 0)
         ! The model of the free variables: f + J p, p being what the fixed ones have moved.
         associate (moved => work(:, 1), rhs => work(:, 2), z => work(:, 3), d => work(:, 4))
            do j = 1, n
               moved(j) = p(j)
            end do
            do i = 1, free
               moved(ipvt(pivots(i, 1))) = 0.0_wp
            end do
            call times_upper(n, r, ldr, ipvt, moved, rhs)
            rhs = qtf + rhs
            do i = 1, free
               j = int(pivots(i, 1), ik)
               rf(1:j, i) = r(1:j, j)
               rf(j + 1:n, i) = 0.0_wp
               d(i) = diag(ipvt(j))
            end do
            call qrfac(n, free, rf, n, rhs, pivots(:, 2), work(:, 5), work(:, 6), work(:, 7))
            moved = diag*moved
            region = max(sqrt(max(0.0_wp, delta**2 - enorm(n, moved)**2)), region_floor*delta)
            call lmpar(free, rf, n, pivots(:, 2), d, rhs, region, par, z, unused, work(:, 5), &
                       work(:, 6), work(:, 7), ndense, dense)
            call first_bound(n, free, pivots(:, 1), ipvt, x, lower, upper, p, z, reach, hit, wall)
            do i = 1, free
               k = int(ipvt(pivots(i, 1)), ik)
               p(k) = p(k) + reach*(-z(i) - p(k))
               x_trial(k) = min(max(x(k) + p(k), lower(k)), upper(k))
            end do
            if (hit == 0) exit legs
            k = int(ipvt(pivots(hit, 1)), ik)
            x_trial(k) = wall
            p(k) = x_trial(k) - x(k)
            do i = hit, free - 1
               pivots(i, 1) = pivots(i + 1, 1)
            end do
            free = free - 1
         end associate
      end do legs

      work(:, 1) = diag*p
      pnorm = enorm(n, work(:, 1))
      call times_upper(n, r, ldr, ipvt, p, work(:, 2))
      work(:, 2) = work(:, 2)/fnorm
      work(:, 3) = qtf/fnorm
      dirder = dot(n, work(:, 2), work(:, 3))
      prered = -(2.0_wp*dirder + dot(n, work(:, 2), work(:, 2)))
   end subroutine propose_bounded

   pure subroutine first_bound(n, free, columns, ipvt, x, lower, upper, p, z, reach, hit, wall)
      !! How far from p towards -z the free variables may go, in units of the whole way.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: free
      integer, intent(in) :: columns(free)
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: x(n)
      real(wp), intent(in) :: lower(n)
      real(wp), intent(in) :: upper(n)
      real(wp), intent(in) :: p(n)
      real(wp), intent(in) :: z(free)
      real(wp), intent(out) :: reach  !! at most 1
      integer(ik), intent(out) :: hit  !! the variable that meets its bound first, 0 if none does
      real(wp), intent(out) :: wall  !! that bound
      real(wp) :: way, room, bound
      integer(ik) :: i, k

      reach = 1.0_wp
      hit = 0
      wall = 0.0_wp
      do i = 1, free
         k = int(ipvt(columns(i)), ik)
         way = -z(i) - p(k)
         bound = merge(lower(k), upper(k), way < 0.0_wp)
         room = (bound - x(k)) - p(k)
         if (abs(way) > abs(room) .and. abs(room) <= reach*abs(way)) then
            reach = abs(room)/abs(way)
            hit = i
            wall = bound
         end if
      end do
   end subroutine first_bound

end module minpack_bounded
