"""The domain that the functions share. It knows neither Lambda nor API Gateway, reads no environment, logs nothing."""
