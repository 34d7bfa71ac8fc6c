module minpack_sizes
   !! Sizes of the arrays that the blocked factorisations share: all come from the caller, none is
   !! larger than n² and a block of rows. Any alignment will do; 64 bytes is fastest.
   use minpack_kinds, only: ik
   implicit none (type, external)
   private
   public :: leading, padded, running_size, rows_size, pivot_size, damped_size, lmpar_size

   integer(ik), parameter, public :: block_rows = 248
      !! rows reduced at a time: enough to hide the work per column, few enough for four columns
      !! and a panel to share a 32 KiB cache; an odd number of cache lines, see leading
   integer(ik), parameter, public :: pivot_panel = 32
      !! pivots between two updates of the remaining matrix, a multiple of eight

contains

   pure function leading(n) result(ld) bind(c, name="lm_leading")
      !! Leading dimension for columns of length n: whole panels of eight, and so whole cache
      !! lines, an odd number of them lest columns compete for the same cache sets.
      integer(ik), intent(in), value :: n  !! length of the columns
      integer(ik) :: ld  !! leading dimension
      ld = (n + 7)/8
      ld = 8*(ld + 1 - mod(ld, 2_ik))
   end function leading

   pure function padded(n) result(columns)
      !! Columns of [J f] rounded up to whole panels.
      integer(ik), intent(in) :: n  !! columns of J
      integer(ik) :: columns  !! columns, a multiple of eight
      columns = (n + 8)/8*8
   end function padded

   pure function running_size(n) result(length) bind(c, name="lm_running_size")
      !! Numbers in a running factor.
      integer(ik), intent(in), value :: n  !! columns of J
      integer(ik) :: length
      length = (leading(n) + 1)*padded(n) + 1
   end function running_size

   pure function rows_size(n) result(length) bind(c, name="lm_rows_size")
      !! Numbers in the work space of rows_add.
      integer(ik), intent(in), value :: n  !! columns of J
      integer(ik) :: length
      length = block_rows*padded(n)
   end function rows_size

   pure function pivot_size(n) result(length) bind(c, name="lm_pivot_size")
      !! Numbers in the work space of pivot.
      integer(ik), intent(in), value :: n  !! order of R
      integer(ik) :: length
      length = (leading(n) + pivot_panel + 3)*(n + 4) + leading(n)*pivot_panel
   end function pivot_size

   pure function damped_size(n) result(length) bind(c, name="lm_damped_size")
      !! Numbers in the work space of damped, beside those of S.
      integer(ik), intent(in), value :: n  !! order of R
      integer(ik) :: length
      length = leading(n)*padded(n) + n
   end function damped_size

   pure function lmpar_size(n) result(length) bind(c, name="lm_lmpar_size")
      !! Numbers in the work space with which lmpar solves by blocks: S, and that of damped.
      integer(ik), intent(in), value :: n  !! order of R
      integer(ik) :: length
      length = leading(n)*padded(n) + damped_size(n)
   end function lmpar_size

end module minpack_sizes
