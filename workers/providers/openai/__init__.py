"""Images by OpenAI's Image API, whose answer brings the result. No Sora: that was shut down."""
