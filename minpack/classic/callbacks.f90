module minpack_callbacks
   !! What MINPACK's users hand to `lmdif` and `lmder`.
   use, intrinsic :: iso_c_binding, only: c_double, c_int
   use minpack_kinds, only: ik
   implicit none (type, external)
   private
   public :: lmdif_fcn, lmder_fcn, print_now

   abstract interface

      subroutine lmdif_fcn(m, n, x, fvec, iflag) bind(c)
         !! fvec := F(x). To end the fit, set `iflag` negative: it becomes INFO.
         import :: c_double, c_int
         implicit none (type, external)
         integer(c_int), intent(in) :: m
         integer(c_int), intent(in) :: n
         real(c_double), intent(in) :: x(n)
         real(c_double), intent(inout) :: fvec(m)
         integer(c_int), intent(inout) :: iflag
            !! 1: a trial point; 2: for a difference; 0: print x and fvec, change nothing
      end subroutine lmdif_fcn

      subroutine lmder_fcn(m, n, x, fvec, fjac, ldfjac, iflag) bind(c)
         !! iflag = 1: fvec := F(x), fjac untouched; 2: fjac := J(x), fvec untouched; 0: print.
         import :: c_double, c_int
         implicit none (type, external)
         integer(c_int), intent(in) :: m
         integer(c_int), intent(in) :: n
         real(c_double), intent(in) :: x(n)
         real(c_double), intent(inout) :: fvec(m)
         integer(c_int), intent(in) :: ldfjac
         real(c_double), intent(inout) :: fjac(ldfjac, n)
         integer(c_int), intent(inout) :: iflag
      end subroutine lmder_fcn

   end interface

contains

   pure function print_now(iteration, nprint) result(now)
      !! Whether `fcn` is to be called with iflag = 0: at the start and every `nprint` iterations.
      integer(ik), intent(in) :: iteration  !! from 1
      integer(c_int), intent(in) :: nprint  !! not positive: never
      logical :: now

      now = .false.
      if (nprint > 0) now = modulo(iteration - 1, int(nprint, ik)) == 0
   end function print_now

end module minpack_callbacks
