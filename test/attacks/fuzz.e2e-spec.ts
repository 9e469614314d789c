import { describeFuzz } from '../support/fuzz/describe-fuzz.js';

describeFuzz(1_000, 20_000);
