import { describeFuzz } from '../support/fuzz/describe-fuzz.js';

describeFuzz(50_000, 120_000);
