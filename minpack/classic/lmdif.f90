module minpack_lmdif
   !! MINPACK's `lmdif`: least squares with a Jacobian by forward differences.
   use, intrinsic :: iso_c_binding, only: c_double, c_int
   use minpack_callbacks, only: lmdif_fcn, print_now
   use minpack_enorm, only: enorm
   use minpack_factorise, only: factorise
   use minpack_fdjac2, only: difference_column, difference_step
   use minpack_info, only: info_improper
   use minpack_kinds, only: ik
   use minpack_step, only: lm_state, lm_step, request_jacobian, request_residual
   implicit none (type, external)
   private
   public :: lmdif

contains

   subroutine lmdif(fcn, m, n, x, fvec, ftol, xtol, gtol, maxfev, epsfcn, diag, mode, factor, &
                    nprint, info, nfev, fjac, ldfjac, ipvt, qtf, wa1, wa2, wa3, wa4) &
      bind(c, name="lmdif_")
      !! The argument list of the MINPACK-1 User Guide (ANL-80-74), so that this and the original
      !! can stand in for each other at link time. INFO may also be 9: see `minpack_info`.
      procedure(lmdif_fcn) :: fcn
      integer(c_int), intent(in) :: m
      integer(c_int), intent(in) :: n
      real(c_double), intent(inout) :: x(n)
      real(c_double), intent(inout) :: fvec(m)
      real(c_double), intent(in) :: ftol
      real(c_double), intent(in) :: xtol
      real(c_double), intent(in) :: gtol
      integer(c_int), intent(in) :: maxfev
      real(c_double), intent(in) :: epsfcn
      real(c_double), intent(inout) :: diag(n)
      integer(c_int), intent(in) :: mode
      real(c_double), intent(in) :: factor
      integer(c_int), intent(in) :: nprint
      integer(c_int), intent(out) :: info
      integer(c_int), intent(out) :: nfev
      integer(c_int), intent(in) :: ldfjac
      real(c_double), intent(inout) :: fjac(ldfjac, n)
      integer(c_int), intent(inout) :: ipvt(n)
      real(c_double), intent(inout) :: qtf(n)
      real(c_double), intent(inout) :: wa1(n)  !! p
      real(c_double), intent(inout) :: wa2(n)  !! trial point
      real(c_double), intent(inout) :: wa3(n)  !! acnorm
      real(c_double), intent(inout) :: wa4(m)  !! residual at the trial point
      type(lm_state) :: state
      integer(c_int) :: iflag
      integer(ik) :: rows, columns, j
      real(c_double) :: h

      info = info_improper
      nfev = 0
      if (m < n .or. ldfjac < m) return
      rows = int(m, ik)
      columns = int(n, ik)
      iflag = 0
      state = lm_state(ftol=ftol, xtol=xtol, gtol=gtol, factor=factor, maxfev=int(maxfev, ik), &
                       mode=mode)

      iterate: do while (iflag >= 0)
         call lm_step(state, columns, x, wa2, fjac, int(ldfjac, ik), ipvt, qtf, wa3, diag, wa1, &
                      wa4, 0_ik, wa4)
         if (state%accepted /= 0) fvec = wa4
         select case (state%request)
         case (request_residual)
            iflag = 1
            call fcn(m, n, wa2, wa4, iflag)
            if (state%iteration == 0) fvec = wa4
            state%nfev = state%nfev + 1
            state%fnorm_trial = enorm(rows, wa4)
         case (request_jacobian)
            state%nfev = state%nfev + columns
            wa2 = x
            differences: do j = 1, columns
               h = difference_step(x(j), epsfcn)
               wa2(j) = x(j) + h
               iflag = 2
               call fcn(m, n, wa2, fjac(:, j), iflag)
               if (iflag < 0) exit iterate
               call difference_column(rows, fvec, h, fjac(:, j))
               wa2(j) = x(j)
            end do differences
            if (print_now(state%iteration, nprint)) then
               iflag = 0
               call fcn(m, n, x, fvec, iflag)
               if (iflag < 0) exit iterate
            end if
            call factorise(rows, columns, fjac, int(ldfjac, ik), fvec, ipvt, qtf, wa3, wa1, wa2, &
                           wa4)
         case default
            exit iterate
         end select
      end do iterate

      info = state%info
      if (iflag < 0) info = iflag
      nfev = int(state%nfev)
      iflag = 0
      if (nprint > 0) call fcn(m, n, x, fvec, iflag)
   end subroutine lmdif

end module minpack_lmdif
