module minpack_qrfac
   !! QR with column pivoting, in place: see linalg/qrfac.c.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   implicit none (type, external)
   private
   public :: qrfac

   interface
      pure subroutine qrfac(m, n, a, lda, f, ipvt, acnorm, squares, reference, sums) &
         bind(c, name="lm_qrfac")
         !! A P = Q R, |R_11| ≥ |R_22| ≥ …, and Qᵀ f, for m ≥ n.
         import :: c_double, c_int, c_int64_t
         implicit none (type, external)
         integer(c_int64_t), intent(in), value :: m
         integer(c_int64_t), intent(in), value :: n
         integer(c_int64_t), intent(in), value :: lda
         real(c_double), intent(inout) :: a(lda, n)
            !! in: A; out: upper triangle R, below its diagonal the tails of the reflectors
         real(c_double), intent(inout) :: f(m)  !! in: f; out: the first n of Qᵀ f
         integer(c_int), intent(out) :: ipvt(n)  !! column j of A P is column ipvt(j) of A
         real(c_double), intent(out) :: acnorm(n)  !! ‖A e_j‖, in the order of A
         real(c_double), intent(out) :: squares(n)  !! work, and so are the others
         real(c_double), intent(out) :: reference(n)
         real(c_double), intent(out) :: sums(n)
      end subroutine qrfac
   end interface

end module minpack_qrfac
