module minpack_dispatch
   !! Explicit interfaces of the routines that dispatch.c picks by instruction set.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   implicit none (type, external)
   private
   public :: damped

   interface

      pure subroutine damped(n, r, ipvt, par, diag, qtf, s, qtb, work) &
         bind(c, name="lm_damped")
         !! See damped.f90.
         import :: c_double, c_int, c_int64_t
         implicit none (type, external)
         integer(c_int64_t), intent(in), value :: n
         real(c_double), intent(in) :: r(n, n)
         integer(c_int), intent(in) :: ipvt(n)
         real(c_double), intent(in), value :: par
         real(c_double), intent(in) :: diag(n)
         real(c_double), intent(in) :: qtf(n)
         real(c_double), intent(inout) :: s(*)
         real(c_double), intent(out) :: qtb(n)
         real(c_double), intent(inout) :: work(*)
      end subroutine damped

   end interface

end module minpack_dispatch
