"""The long runs in virtual time: `hack/test soak`. No part of the suite."""
