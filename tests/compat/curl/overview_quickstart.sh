# 1. Create a project
curl -X POST https://eversince.ai/api/v1/projects \
  -H "Authorization: Bearer $EVERSINCE_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "brief": "Your brief here",
    "mode": "autonomous"
  }'

# Response: { "id": "proj_abc123", "status": "queued", ... }

# 2. Poll for status
curl https://eversince.ai/api/v1/projects/proj_abc123 \
  -H "Authorization: Bearer $EVERSINCE_API_KEY"

# 3. When status is "idle", trigger a render
curl -X POST https://eversince.ai/api/v1/projects/proj_abc123/render \
  -H "Authorization: Bearer $EVERSINCE_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{ "quality": "1080p" }'

# 4. Poll again until status is "idle", then get the assembled_url
