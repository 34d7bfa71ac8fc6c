module minpack_stacked
   !! Reduction of [R; B] to triangular form, R upper triangular and B a block of rows, by blocked
   !! Householder reflectors. Reflector k is I - tau [e_k; v] [e_k; v]ᵀ: of R it touches row k
   !! alone, so R stays triangular and a panel of eight reflectors needs only the eight rows of R
   !! beside it (the structured kernel of Demmel, Grigori, Hoemmen & Langou 2012, SIAM J. Sci.
   !! Comput. 34, A206, "TSQR"). A panel acts on the other columns in compact WY form,
   !! Q = I - V T Vᵀ (Schreiber & Van Loan 1989, SIAM J. Sci. Stat. Comput. 10, 53).
   !!
   !! The lower parts stay in B as they are; what makes their vectors Householder's, 1/(r_kk -
   !! beta), is kept apart as a scale and goes to the small matrices, which saves a pass over B.
   !!
   !! Four columns at a time take both products of a panel while they are in the first-level
   !! cache, so one level of blocking with panels as narrow as eight already runs at the speed
   !! of the kernels, and the unblocked share, work 8/n of the whole, stays small.
   use minpack_kinds, only: wp, ik
   use minpack_kernels, only: inner_4x4, inner_4x1, subtract_8x2, subtract_4x4, &
                                    advance_4
   implicit none (type, external)
   private
   public :: stacked_qr

   integer(ik), parameter :: panel = 8
      !! reflectors in a panel; the kernels are written for it
   real(wp), parameter :: negligible = 2.0_wp**(-900)
      !! squared norm below which a column's remainder counts as zero: squares lose digits below
      !! 2**(-1022+53), and with columns scaled to at least 2**(-374) it is far below rounding

contains

   pure subroutine stacked_qr(rows, reflectors, columns, ldr, r, ldb, b, staircase, filled)
      !! Overwrite R by the R of [R; B] and the further columns of R by Qᵀ times them.
      integer(ik), intent(in) :: rows  !! rows of B
      integer(ik), intent(in) :: reflectors  !! columns to reduce: the order of R
      integer(ik), intent(in) :: columns  !! columns in all, a multiple of four
      integer(ik), intent(in) :: ldr  !! leading dimension of r, a multiple of eight
      real(wp), intent(inout) :: r(ldr, *)  !! R, and beside it right-hand sides
      integer(ik), intent(in) :: ldb  !! leading dimension of b
      real(wp), intent(inout) :: b(ldb, *)  !! B, zeros up to whole panels of columns; destroyed
      logical, intent(in) :: staircase
         !! B is upper triangular: rows below the panel's last column are zero and stay so
      integer(ik), intent(inout) :: filled
         !! rows of R that hold something; where a panel meets none, rows of B become rows of R,
         !! which is plain QR and for m = n a third less work
      real(wp) :: tt(panel, panel), s(panel)
      integer(ik) :: k, j, first, width, active

      first = 1
      do k = 1, reflectors, panel
         width = min(panel, reflectors - k + 1)
         if (k > filled) then
            active = min(width, rows - first + 1)
            call take_rows(active, columns - k + 1, ldr, r(k, k), ldb, b(first, k))
            filled = k + active - 1
            first = first + active
            if (first > rows) return
         end if
         active = rows - first + 1
         if (staircase) active = min(rows, k + panel - 1)
         call factor_panel(active, width, columns - k + 1, ldr, r(k, k), ldb, b(first, k), tt, s)
         do j = k + panel, columns, 4
            call apply_panel(active, ldb, b(first, k), tt, s, ldr, r(k, j), ldb, b(first, j))
         end do
      end do
   end subroutine stacked_qr

   pure subroutine take_rows(rows, columns, ldr, r, ldb, b)
      !! Make up to eight rows of B rows of R that were empty: triangularise them by themselves.
      integer(ik), intent(in) :: rows  !! rows to take
      integer(ik), intent(in) :: columns  !! columns from the panel's first on
      integer(ik), intent(in) :: ldr  !! leading dimension of r
      integer(ik), intent(in) :: ldb  !! leading dimension of b
      real(wp), intent(inout) :: r(ldr, *)  !! eight rows of R
      real(wp), intent(in) :: b(ldb, *)  !! rows of B
      real(wp) :: qa(panel, 2*panel), x(panel), v(panel), beta
      integer(ik) :: j, k, l

      ! [Qᵀ, Qᵀ A] for the rows' first eight columns A.
      qa = 0
      do k = 1, panel
         qa(k, k) = 1
      end do
      qa(1:rows, panel + 1:) = b(1:rows, 1:panel)
      reflections: do k = 1, rows - 1
         v = 0
         v(k:) = qa(k:, panel + k)
         beta = dot_product(v, v)
         if (beta <= negligible) cycle reflections
         beta = -sign(sqrt(beta), v(k))
         v(k) = v(k) - beta
         do j = 1, 2*panel
            qa(:, j) = qa(:, j) + v*(dot_product(v, qa(:, j))/(beta*v(k)))
         end do
      end do reflections
      do j = 1, columns
         x = 0
         do l = 1, rows
            x = x + qa(:, l)*b(l, j)
         end do
         if (j < panel) x(j + 1:) = 0
         r(1:panel, j) = x
      end do
   end subroutine take_rows

   pure subroutine factor_panel(rows, width, columns, ldr, r, ldb, b, tt, s)
      !! Reduce a panel as two of four columns.
      integer(ik), intent(in) :: rows  !! rows of B
      integer(ik), intent(in) :: width  !! columns to reduce: up to eight
      integer(ik), intent(in) :: columns  !! columns from the panel's first to the last of all
      integer(ik), intent(in) :: ldr  !! leading dimension of r
      integer(ik), intent(in) :: ldb  !! leading dimension of b
      real(wp), intent(inout) :: r(ldr, *)  !! the panel's rows and columns of R
      real(wp), intent(inout) :: b(ldb, *)  !! the panel's columns of B
      real(wp), intent(out) :: tt(panel, panel)  !! transpose of T
      real(wp), intent(out) :: s(panel)  !! scales of the reflectors
      real(wp) :: w(panel, 4)
      integer(ik) :: j

      tt = 0
      s = 0
      call factor_four(rows, min(width, 4_ik), ldr, r, ldb, b, tt, s)
      if (columns <= 4) return
      call inner_4x4(rows, ldb, b, ldb, b(1, 5), w)
      do j = 1, 4
         w(1:4, j) = matmul(tt(1:4, 1:4), r(1:4, 4 + j) + s(1:4)*w(1:4, j))
         r(1:4, 4 + j) = r(1:4, 4 + j) - w(1:4, j)
         w(1:4, j) = s(1:4)*w(1:4, j)
      end do
      call subtract_4x4(rows, ldb, b, ldb, b(1, 5), w)
      if (width <= 4) return
      call factor_four(rows, width - 4, ldr, r(5, 5), ldb, b(1, 5), tt(5, 5), s(5))
      if (columns <= panel) return
      ! The block of Tᵀ that couples the halves: -T2ᵀ (V2ᵀ V1) T1ᵀ.
      call inner_4x4(rows, ldb, b(1, 5), ldb, b, w)
      do j = 1, 4
         w(1:4, j) = s(5:8)*w(1:4, j)*s(j)
      end do
      tt(5:8, 1:4) = -matmul(tt(5:8, 5:8), matmul(w(1:4, 1:4), tt(1:4, 1:4)))
   end subroutine factor_panel

   pure subroutine factor_four(rows, width, ldr, r, ldb, b, tt, s)
      !! Reduce up to four columns one by one, each time updating the others of the four.
      integer(ik), intent(in) :: rows  !! rows of B
      integer(ik), intent(in) :: width  !! columns to reduce: up to four
      integer(ik), intent(in) :: ldr  !! leading dimension of r
      integer(ik), intent(in) :: ldb  !! leading dimension of b
      real(wp), intent(inout) :: r(ldr, *)  !! the four rows and columns of R
      real(wp), intent(inout) :: b(ldb, 4)  !! the four columns of B
      real(wp), intent(inout) :: tt(panel, *)  !! transpose of T, zero on entry
      real(wp), intent(out) :: s(4)  !! scales of the reflectors
      real(wp) :: g(4), z(4), alpha, beta, tau, w
      integer(ik) :: k, j

      s = 0
      call inner_4x1(rows, ldb, b, b, g)
      do k = 1, width
         ! g: products of column k with those to come, with itself, and, for T, with those before.
         z = 0
         alpha = r(k, k)
         beta = alpha*alpha + g(k)
         if (beta > negligible) then
            beta = -sign(sqrt(beta), alpha)
            tau = (beta - alpha)/beta
            s(k) = 1/(alpha - beta)
            g = g*s(k)
            r(k, k) = beta
            do j = k + 1, 4
               w = tau*(r(k, j) + g(j))
               r(k, j) = r(k, j) - w
               z(j) = w*s(k)
            end do
            do j = 1, k - 1
               tt(k, j) = -tau*dot_product(g(j:k - 1)*s(j:k - 1), tt(j:k - 1, j))
            end do
            tt(k, k) = tau
         end if
         if (k < width) call advance_4(rows, ldb, b, k, z, g)
      end do
   end subroutine factor_four

   pure subroutine apply_panel(rows, ldv, v, tt, s, ldr, r, ldc, c)
      !! Apply Qᵀ of a panel to four columns: W = Tᵀ (R + Vᵀ C); R = R - W; C = C - V W.
      integer(ik), intent(in) :: rows  !! rows of V and C
      integer(ik), intent(in) :: ldv  !! leading dimension of v
      integer(ik), intent(in) :: ldr  !! leading dimension of r
      integer(ik), intent(in) :: ldc  !! leading dimension of c
      real(wp), intent(in) :: v(ldv, panel)  !! the reflectors' lower parts
      real(wp), intent(in) :: tt(panel, panel)  !! transpose of T
      real(wp), intent(in) :: s(panel)  !! scales of the reflectors
      real(wp), intent(inout) :: r(ldr, 4)  !! the panel's rows of R in these columns
      real(wp), intent(inout) :: c(ldc, 4)  !! the columns of B
      real(wp) :: w(panel, 4), tw(panel, 4)
      integer(ik) :: j, l

      call inner_4x4(rows, ldv, v, ldc, c, w)
      call inner_4x4(rows, ldv, v(1, 5), ldc, c, w(5, 1))
      do j = 1, 4
         w(:, j) = r(1:panel, j) + s*w(:, j)
         tw(:, j) = 0
         do l = 1, panel
            tw(:, j) = tw(:, j) + tt(:, l)*w(l, j)
         end do
         r(1:panel, j) = r(1:panel, j) - tw(:, j)
         tw(:, j) = s*tw(:, j)
      end do
      call subtract_8x2(rows, ldv, v, ldc, c, panel, tw)
      call subtract_8x2(rows, ldv, v, ldc, c(1, 3), panel, tw(1, 3))
   end subroutine apply_panel

end module minpack_stacked
