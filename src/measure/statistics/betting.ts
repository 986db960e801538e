/** What the bets aim at: the error level at which tests are usually made. It sets how boldly is bet, not what holds. */
const AIMED = 0.05;

/**
 * p-value of "the mean loss is above `alpha`" for losses in [0, 1], in an order that does not depend on them: a gambler bets on each loss
 * being below alpha, with stakes set by those before; if the claim is true the capital is no more than 1 on average, and ever reaches
 * 1/p with probability p at most (Ville). The stakes are those of Waudby-Smith and Ramdas 2021 ("Estimating means of bounded random
 * variables by betting"), as in Bates et al. 2021, section 3.1.3. Where losses vary little, far sharper than Hoeffding-Bentkus.
 */
export function bettingPValue(losses: ArrayLike<number>, alpha: number): number {
  const n = losses.length;
  if (n === 0 || alpha <= 0) return 1;
  if (alpha >= 1) return 0;
  let [capital, most] = [0, 0];
  let [sum, squares] = [0.5, 0.25];
  for (let i = 0; i < n; i++) {
    const variance = squares / (i + 1);
    const stake = Math.min(1, Math.sqrt((2 * Math.log(1 / AIMED)) / (n * variance)));
    const loss = losses[i]!;
    capital += Math.log1p(-stake * (loss - alpha));
    most = Math.max(most, capital);
    sum += loss;
    squares += (loss - sum / (i + 2)) ** 2;
  }
  return Math.exp(-most);
}
