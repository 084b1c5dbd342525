curl -X POST https://eversince.ai/api/v1/projects/proj_abc123/messages \
  -H "Authorization: Bearer $EVERSINCE_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "message": "The music is too intense. Make it more subtle and add a female voiceover."
  }'
