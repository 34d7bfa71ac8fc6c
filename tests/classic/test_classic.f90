! lmdif and lmder called as an old Fortran program calls them: implicit interfaces, an external
! fcn, work arrays of its own. Run by `meson test`, on either library (-Dminpack).
!
! The data: Misra1a of NIST's Statistical Reference Datasets, nonlinear regression,
! y = b1 (1 - exp(-b2 x)), with the certified parameters and residual sum of squares.

module misra1a
   implicit none (type, external)
   private
   public :: wp, m, n, ldfjac, starts, certified, certified_sum, calls, stop_at
   public :: residuals, derivatives, record, was_tried
   integer, parameter :: wp = kind(1d0)
   integer, parameter :: m = 14, n = 2
   integer, parameter :: ldfjac = m + 3  ! more rows than the Jacobian has, as the User Guide allows
   real(wp), parameter :: pressure(m) = [ &
      77.6_wp, 114.9_wp, 141.1_wp, 190.8_wp, 239.9_wp, 289.0_wp, 332.8_wp, 378.4_wp, 434.8_wp, &
      477.3_wp, 536.8_wp, 593.1_wp, 689.1_wp, 760.0_wp]
   real(wp), parameter :: volume(m) = [ &
      10.07_wp, 14.73_wp, 17.94_wp, 23.93_wp, 29.61_wp, 35.18_wp, 40.02_wp, 44.82_wp, 50.76_wp, &
      55.05_wp, 61.01_wp, 66.40_wp, 75.47_wp, 81.78_wp]
   real(wp), parameter :: starts(n, 2) = reshape([500.0_wp, 1e-4_wp, 250.0_wp, 5e-4_wp], [n, 2])
   real(wp), parameter :: certified(n) = [2.3894212918e2_wp, 5.5015643181e-4_wp]
   real(wp), parameter :: certified_sum = 1.2455138894e-1_wp

   integer :: calls(0:2)  ! of fcn, by iflag
   integer :: stop_at     ! the call of iflag 1 that asks for the end; 0: none
   real(wp) :: tried_b(n, 400), tried_f(m, 400)  ! what those of iflag 1 were given and gave

contains

   subroutine residuals(b, f)
      real(wp), intent(in) :: b(n)
      real(wp), intent(out) :: f(m)

      f = b(1)*(1 - exp(-b(2)*pressure)) - volume
   end subroutine residuals

   subroutine derivatives(b, jacobian, ld)
      integer, intent(in) :: ld
      real(wp), intent(in) :: b(n)
      real(wp), intent(inout) :: jacobian(ld, n)

      jacobian(:m, 1) = 1 - exp(-b(2)*pressure)
      jacobian(:m, 2) = b(1)*pressure*exp(-b(2)*pressure)
   end subroutine derivatives

   subroutine record(b, f, iflag)
      real(wp), intent(in) :: b(n), f(m)
      integer, intent(inout) :: iflag

      calls(iflag) = calls(iflag) + 1
      if (iflag /= 1) return
      tried_b(:, calls(1)) = b
      tried_f(:, calls(1)) = f
      if (calls(1) == stop_at) iflag = -3
   end subroutine record

   pure function was_tried(b, f) result(found)
      ! Whether F gave exactly f at exactly b.
      real(wp), intent(in) :: b(n), f(m)
      logical :: found
      integer :: i

      found = any([(all(abs(tried_b(:, i) - b) <= 0) .and. all(abs(tried_f(:, i) - f) <= 0), &
                    i=1, calls(1))])
   end function was_tried

end module misra1a

subroutine fcn_lmdif(mm, nn, b, fvec, iflag)
   use misra1a, only: wp, residuals, record
   implicit none (type, external)
   integer, intent(in) :: mm, nn
   real(wp), intent(in) :: b(nn)
   real(wp), intent(inout) :: fvec(mm)
   integer, intent(inout) :: iflag

   if (iflag /= 0) call residuals(b, fvec)
   call record(b, fvec, iflag)
end subroutine fcn_lmdif

subroutine fcn_lmder(mm, nn, b, fvec, fjac, ld, iflag)
   use misra1a, only: wp, residuals, derivatives, record
   implicit none (type, external)
   integer, intent(in) :: mm, nn, ld
   real(wp), intent(in) :: b(nn)
   real(wp), intent(inout) :: fvec(mm), fjac(ld, nn)
   integer, intent(inout) :: iflag

   if (iflag == 1) call residuals(b, fvec)
   if (iflag == 2) call derivatives(b, fjac, ld)
   call record(b, fvec, iflag)
end subroutine fcn_lmder

program test_classic
   use misra1a, only: wp, m, n, ldfjac, starts, certified, certified_sum, calls, stop_at, was_tried
   implicit none (type, external)
   external :: lmdif, lmder, fcn_lmdif, fcn_lmder
   real(wp), parameter :: untouched = -777
   real(wp) :: b(n), fvec(m), diag(n), fjac(ldfjac, n), qtf(n), wa1(n), wa2(n), wa3(n), wa4(m)
   real(wp) :: ftol, xtol, gtol, factor
   integer :: ipvt(n), rows, columns, leading, maxfev, mode, nprint, info, nfev, njev
   integer :: start, failures
   logical :: derivatives_given

   failures = 0
   do start = 1, 2
      derivatives_given = start == 2
      call certified_fits()
      call scaling_by_the_user()
      call printing()
      call stopped_by_fcn()
      call limit_of_calls()
      call improper_input()
   end do
   if (failures > 0) stop 1
   print "(a)", "test_classic passed"

contains

   subroutine defaults()
      rows = m
      columns = n
      leading = ldfjac
      ftol = 1e-12_wp
      xtol = 1e-12_wp
      gtol = 0
      maxfev = 400
      mode = 1
      factor = 100
      nprint = 0
      diag = 1
      b = starts(:, 2)
      stop_at = 0
   end subroutine defaults

   subroutine solve()
      calls = 0
      info = -99
      nfev = -99
      njev = 0
      fjac = untouched
      if (derivatives_given) then
         call lmder(fcn_lmder, rows, columns, b, fvec, fjac, leading, ftol, xtol, gtol, maxfev, &
                    diag, mode, factor, nprint, info, nfev, njev, ipvt, qtf, wa1, wa2, wa3, wa4)
      else
         call lmdif(fcn_lmdif, rows, columns, b, fvec, ftol, xtol, gtol, maxfev, 0.0_wp, diag, &
                    mode, factor, nprint, info, nfev, fjac, leading, ipvt, qtf, wa1, wa2, wa3, wa4)
      end if
   end subroutine solve

   subroutine certified_fits()
      integer :: i

      do i = 1, 2
         call defaults()
         b = starts(:, i)
         call solve()
         call check(info >= 1 .and. info <= 3, "a fit ends with info 1, 2 or 3")
         call check_solution("of NIST")
         call check(was_tried(b, fvec), "b was tried, and fvec is what F gave there")
         call check(all(abs(fjac(m + 1:, :) - untouched) <= 0), "rows of fjac beyond m are let be")
         call check(maxval(ipvt) == n .and. minval(ipvt) == 1, "ipvt counts from 1")
         if (derivatives_given) then
            call check(nfev == calls(1) .and. njev == calls(2), "nfev, njev count the calls of fcn")
         else
            call check(nfev == calls(1) + calls(2), "nfev counts the calls of fcn")
         end if
      end do
   end subroutine certified_fits

   subroutine scaling_by_the_user()
      real(wp), parameter :: mine(n) = [0.004_wp, 2000.0_wp]

      call defaults()
      mode = 2
      diag = mine
      call solve()
      call check_solution("with the user's scale factors")
      call check(all(abs(diag - mine) <= 0), "mode 2 leaves diag as it is")
   end subroutine scaling_by_the_user

   subroutine printing()
      integer :: silent(0:2)

      call defaults()
      call solve()
      silent = calls
      call defaults()
      nprint = 1
      call solve()
      call check(silent(0) == 0 .and. calls(0) >= 2, "nprint = 1 calls fcn with iflag 0")
      call check(all(calls(1:) == silent(1:)), "printing changes nothing else")
   end subroutine printing

   subroutine stopped_by_fcn()
      call defaults()
      stop_at = 3
      call solve()
      call check(info == -3, "a negative iflag ends the fit and becomes info")
      call check(calls(1) == 3, "fcn is not called again after it")
   end subroutine stopped_by_fcn

   subroutine limit_of_calls()
      call defaults()
      maxfev = 2
      call solve()
      call check(info == 5 .and. nfev >= 2, "maxfev ends the fit with info 5")
   end subroutine limit_of_calls

   subroutine improper_input()
      integer :: fault

      do fault = 1, 9
         call defaults()
         select case (fault)
         case (1); columns = 0
         case (2); rows = n - 1
         case (3); leading = m - 1
         case (4); ftol = -1
         case (5); xtol = -1
         case (6); gtol = -1
         case (7); maxfev = 0
         case (8); factor = 0
         case (9)
            mode = 2
            diag(2) = 0
         case default
            error stop
         end select
         call solve()
         call check(info == 0, "improper input gives info 0")
         call check(all(abs(b - starts(:, 2)) <= 0), "improper input leaves b as it is")
      end do
   end subroutine improper_input

   subroutine check_solution(what)
      character(len=*), intent(in) :: what
      ! NIST certifies 11 digits; forward differences are good for 8 of them here.
      real(wp), parameter :: accuracy = 1e-7_wp

      call check(all(abs(b - certified) <= accuracy*certified), "parameters "//what)
      call check(abs(sum(fvec**2) - certified_sum) <= accuracy*certified_sum, &
                 "sum of squares "//what)
   end subroutine check_solution

   subroutine check(passed, what)
      logical, intent(in) :: passed
      character(len=*), intent(in) :: what

      if (passed) return
      failures = failures + 1
      print "(a, a, a, l1, a, i0)", "failed: ", what, "; with derivatives: ", derivatives_given, &
         "; info: ", info
   end subroutine check

end program test_classic
