"""Names and what stands behind them."""
