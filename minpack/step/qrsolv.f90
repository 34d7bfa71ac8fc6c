module minpack_qrsolv
   !! The least-squares problems of a step, from R alone: damped, and with variables left out.
   use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t
   use minpack_dot, only: dot
   use minpack_enorm, only: sum_safe
   use minpack_kinds, only: ik, wp
   implicit none (type, external)
   private
   public :: qrsolv, solve_damped_transposed, solve_without

contains

   pure subroutine qrsolv(n, r, ldr, ipvt, d, qtb, z, sdiag, rhs) bind(c, name="lm_qrsolv")
      !! z minimises ‖[R Pᵀ; D] z - [qtb; 0]‖ (Moré 1978, section 3).
      !!
      !! Givens rotations turn [R; Pᵀ D P] into [S; 0], S upper triangular with
      !! Pᵀ (JᵀJ + D²) P = SᵀS. S is built transposed in the strict lower triangle of r, so that a
      !! rotation runs down a column and R survives in the upper triangle.
      integer(c_int64_t), intent(in) :: n
      integer(c_int64_t), intent(in) :: ldr
      real(c_double), intent(inout) :: r(ldr, n)
         !! upper triangle: R, kept; strict lower triangle: out, that of Sᵀ
      integer(c_int), intent(in) :: ipvt(n)
      real(c_double), intent(in) :: d(n)  !! diagonal of D, ≥ 0, in the order of the variables
      real(c_double), intent(in) :: qtb(n)
      real(c_double), intent(out) :: z(n)
         !! until it gets the solution: the row of D on its way out
      real(c_double), intent(out) :: sdiag(n)  !! diagonal of S
      real(c_double), intent(out) :: rhs(n)  !! work: qtb under the same rotations
      real(wp) :: carried
      integer(ik) :: i, j

      do j = 1, n
         sdiag(j) = r(j, j)
         do i = j + 1, n
            r(i, j) = r(j, i)
         end do
      end do
      rhs = qtb

      rows: do j = 1, n
         if (.not. d(ipvt(j)) > 0.0_wp) cycle rows
         z(j) = d(ipvt(j))
         z(j + 1:n) = 0.0_wp
         carried = 0.0_wp
         call take_down(n, j, r, ldr, sdiag, z, rhs, carried)
      end do rows

      call solve_damped(n, r, ldr, sdiag, rhs)
      do j = 1, n
         z(ipvt(j)) = rhs(j)
      end do
   end subroutine qrsolv

   pure subroutine solve_without(n, r, ldr, ipvt, out, least, qtb, z, sdiag, rhs)
      !! z minimises ‖R Pᵀ z - qtb‖ among those with zeros for the variables that are out.
      !!
      !! Without their columns R is a staircase: rotations take the rows that stick out down to a
      !! triangle S, which is built as by `qrsolv`.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(inout) :: r(ldr, n)  !! upper triangle: R, kept; strict lower triangle: work
      integer, intent(in) :: ipvt(n)
      real(wp), intent(in) :: out(n)  !! of this size at least for those variables
      real(wp), intent(in) :: least
      real(wp), intent(in) :: qtb(n)
      real(wp), intent(out) :: z(n)  !! until it gets the solution: a row on its way down
      real(wp), intent(out) :: sdiag(n)  !! diagonal of S
      real(wp), intent(out) :: rhs(n)  !! work: qtb under the same rotations
      real(wp) :: carried
      integer(ik) :: a, b, free, j, k

      free = 0
      columns: do k = 1, n
         if (abs(out(ipvt(k))) >= least) cycle columns
         free = free + 1
         a = 0
         do j = 1, k - 1
            if (.not. abs(out(ipvt(j))) >= least) then
               a = a + 1
               r(free, a) = r(j, k)
            end if
         end do
         sdiag(free) = r(k, k)
         rhs(free) = qtb(k)
      end do columns

      a = 1
      rows: do j = 1, n
         if (.not. abs(out(ipvt(j))) >= least) then
            a = a + 1
            cycle rows
         end if
         b = a
         do k = j + 1, n
            if (.not. abs(out(ipvt(k))) >= least) then
               z(b) = r(j, k)
               b = b + 1
            end if
         end do
         carried = qtb(j)
         call take_down(free, a, r, ldr, sdiag, z, rhs, carried)
      end do rows

      call solve_damped(free, r, ldr, sdiag, rhs)
      a = 0
      do j = 1, n
         z(ipvt(j)) = 0.0_wp
         if (.not. abs(out(ipvt(j))) >= least) then
            a = a + 1
            z(ipvt(j)) = rhs(a)
         end if
      end do
   end subroutine solve_without

   pure subroutine take_down(n, first, r, ldr, sdiag, row, rhs, carried)
      !! Rotate a row that begins at `first`, and what is carried with it, into S and rhs.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: first
      integer(ik), intent(in) :: ldr
      real(wp), intent(inout) :: r(ldr, n)
      real(wp), intent(inout) :: sdiag(n)
      real(wp), intent(inout) :: row(n)
      real(wp), intent(inout) :: rhs(n)
      real(wp), intent(inout) :: carried
      real(wp) :: cosine, sine, old
      integer(ik) :: i, k

      do k = first, n
         if (abs(row(k)) > 0.0_wp) then
            call rotation(sdiag(k), row(k), cosine, sine)
            old = rhs(k)
            rhs(k) = cosine*old + sine*carried
            carried = cosine*carried - sine*old
            !GCC$ vector
            do i = k + 1, n
               old = r(i, k)
               r(i, k) = cosine*old + sine*row(i)
               row(i) = cosine*row(i) - sine*old
            end do
         end if
      end do
   end subroutine take_down

   pure subroutine rotation(s, d, cosine, sine)
      !! The rotation that annihilates d against s.
      real(wp), intent(inout) :: s
      real(wp), intent(in) :: d  !! /= 0
      real(wp), intent(out) :: cosine
      real(wp), intent(out) :: sine
      real(wp) :: radius
      integer :: shift

      radius = s**2 + d**2
      if (radius >= sum_safe .and. radius <= huge(radius)) then
         radius = sqrt(radius)  ! one root and one quotient: they are what a small n waits for
         cosine = s/radius
         sine = d/radius
      else if (abs(d) >= huge(d)) then  ! the variable is held, or par or D has overflown
         radius = abs(d)
         cosine = 0.0_wp
         sine = sign(1.0_wp, d)
      else  ! powers of two round nothing: the units of x do not matter
         shift = exponent(max(abs(s), abs(d)))
         radius = sqrt(scale(s, -shift)**2 + scale(d, -shift)**2)
         cosine = scale(s, -shift)/radius
         sine = scale(d, -shift)/radius
         radius = scale(radius, shift)
      end if
      s = radius
   end subroutine rotation

   pure subroutine solve_damped(n, r, ldr, sdiag, b)
      !! b := S⁻¹ b; where S is singular, the components from its first zero on are zero.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      real(wp), intent(in) :: sdiag(n)
      real(wp), intent(inout) :: b(n)
      integer(ik) :: j, rank

      rank = 0
      count: do while (rank < n)
         if (.not. abs(sdiag(rank + 1)) > 0.0_wp) exit count
         rank = rank + 1
      end do count
      b(rank + 1:n) = 0.0_wp
      do j = rank, 1, -1
         b(j) = (b(j) - dot(rank - j, r(j + 1:, j), b(j + 1:)))/sdiag(j)
      end do
   end subroutine solve_damped

   pure subroutine solve_damped_transposed(n, r, ldr, sdiag, b)
      !! b := S⁻ᵀ b, S as `qrsolv` leaves it.
      integer(ik), intent(in) :: n
      integer(ik), intent(in) :: ldr
      real(wp), intent(in) :: r(ldr, n)
      real(wp), intent(in) :: sdiag(n)
      real(wp), intent(inout) :: b(n)
      real(wp) :: b_j
      integer(ik) :: j

      do j = 1, n
         b_j = b(j)/sdiag(j)
         b(j) = b_j
         b(j + 1:n) = b(j + 1:n) - b_j*r(j + 1:n, j)
      end do
   end subroutine solve_damped_transposed

end module minpack_qrsolv
